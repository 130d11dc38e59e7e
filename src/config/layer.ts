/**
 * One source's part of the configuration: checked by itself, then laid over the layers below it.
 *
 * A layer loses its faulty keys and keeps the others, so that one run finds the faults of all layers and of the whole.
 */
import type { z } from "zod";
import { didYouMean } from "../text/nearest.ts";
import type { Fault } from "./config-error.ts";
import { configSchema } from "./config-schema.ts";
import { type KeyPath, keyText } from "./key-path.ts";
import { shown } from "./secrets.ts";
import { keysIn, settings } from "./settings.ts";

export type Tree = { [key: string]: unknown };

export interface Layer {
  /** What the layer sets. */
  readonly tree: Tree;
  /** Where a person finds `path`, or what is nearest above it. */
  readonly sourceOf: (path: KeyPath) => string;
}

/** A fault that keeps its place. */
export interface LocatedFault extends Fault {
  readonly path: KeyPath;
}

/** The layer without its faulty keys, and the faults. */
export function checkLayer({ tree, sourceOf }: Layer): { layer: Layer; faults: readonly LocatedFault[] } {
  const faults = findingsIn(tree).map(({ path, text }) => ({ source: sourceOf(path), key: keyText(path), text, path }));
  const kept = structuredClone(tree);
  // A key that is gone may be missed by another, so this goes on until nothing is wrong; each turn takes a key away.
  for (let left = findingsIn(kept); left.length > 0; left = findingsIn(kept))
    for (const { path } of left) prune(kept, path);
  return { layer: { tree: kept, sourceOf }, faults };
}

/** `upper` over `lower`: maps are merged key by key, null takes a key away, everything else replaces what was there. */
export function merge(lower: Tree, upper: Tree): Tree {
  const merged = new Map(Object.entries(lower));
  for (const [key, value] of Object.entries(upper)) {
    const below = merged.get(key);
    if (value === null) merged.delete(key);
    else merged.set(key, isTree(value) && isTree(below) ? merge(below, value) : value);
  }
  return Object.fromEntries(merged);
}

export function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True where `tree` itself says something about `path`. */
export function sets(tree: Tree, path: KeyPath): boolean {
  return valueAt(tree, path) !== undefined;
}

type Finding = { readonly path: KeyPath; readonly text: string };

/** What is wrong in `tree`, one finding a key. */
function findingsIn(tree: Tree): readonly Finding[] {
  const issues = configSchema.safeParse(tree).error?.issues ?? [];
  const findings = [...issues.flatMap((issue) => described(issue, tree)), ...prototypeKeys(tree, [])];
  return findings.filter(({ path }, i) => findings.findIndex((other) => keyText(other.path) === keyText(path)) === i);
}

function described(issue: z.core.$ZodIssue, tree: Tree): Finding[] {
  const path = issue.path as KeyPath; // from YAML and JSON no symbol gets here
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(path, key));
  if (issue.code === "invalid_key") return [{ path, text: `must be ${issue.issues[0]?.message}` }];
  return [{ path, text: `must be ${issue.message}, got ${shown(valueAt(tree, path), path)}` }];
}

function unknownKey(parent: KeyPath, key: string): Finding {
  const misplaced = settings.find(({ path }) => path.length > 1 && path.at(-1) === key);
  const guess = didYouMean(key, keysIn(parent)) || (misplaced ? `; did you mean ${keyText(misplaced.path)}?` : "");
  return { path: [...parent, key], text: `is not a known key${guess}` };
}

/** Keys named `__proto__`, which a schema for maps with free keys passes over in silence. */
function prototypeKeys(value: unknown, path: KeyPath): Finding[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const itemPath = [...path, Array.isArray(value) ? Number(key) : key];
    if (key === "__proto__" && path.length > 0) return [{ path: itemPath, text: "is not allowed as a key" }];
    return prototypeKeys(item, itemPath);
  });
}

/** Takes the key at `path` out; where it is missing or stands in a list, the nearest key above it. */
function prune(tree: Tree, path: KeyPath): void {
  const [key, ...rest] = path;
  if (key === undefined) return;
  const below = tree[key];
  if (rest.length > 0 && isTree(below) && Object.hasOwn(below, rest[0]!)) prune(below, rest);
  else delete tree[key];
}

function valueAt(tree: Tree, path: KeyPath): unknown {
  let value: unknown = tree;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Tree)[part];
  }
  return value;
}
