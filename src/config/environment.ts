/**
 * The environment and the command line as layers. Nothing outside this folder reads the environment.
 *
 * Each variable and each flag is a layer of its own, so a fault names the one that caused it.
 */

import { didYouMean } from "../text/nearest.ts";
import type { Fault } from "./config-error.ts";
import { flagName, type KeyPath, variableName } from "./key-path.ts";
import { isTree, type Layer, type Tree } from "./layer.ts";
import { clientVariables } from "./process-environment.ts";
import { keysIn, type Setting, settingAt, settings, settingValue } from "./settings.ts";

const prefix = "TIDEGATE_";
const settingsByVariable: ReadonlyMap<string, Setting> = new Map(
  settings.map((setting) => [variableName(setting.path), setting]),
);

/** A layer for each TIDEGATE_ variable, sections before their keys; an empty one is not set. */
export function environmentLayers(env: NodeJS.ProcessEnv): { layers: readonly Layer[]; faults: readonly Fault[] } {
  const given = Object.keys(env).filter((name) => name.startsWith(prefix) && env[name] !== "" && !isForeign(name, env));
  const unknown = given.filter((name) => !settingsByVariable.has(name));
  const known = [...settingsByVariable].filter(([name]) => given.includes(name));
  return {
    layers: known.map(([name, setting]) => layerOf(setting.path, settingValue(setting, env[name] ?? ""), name)),
    faults: unknown.map((name) => ({ source: name, key: "", text: `is not a known variable${nearestVariable(name)}` })),
  };
}

/** A layer for each value of `flags`, a tree like the configuration whose values may be texts; `undefined` is not set. */
export function flagLayers(flags: object): readonly Layer[] {
  return layersBelow(flags, []);
}

function layersBelow(flags: object, path: KeyPath): Layer[] {
  return Object.entries(flags).flatMap(([key, value]) => {
    const keyPath = [...path, key];
    const setting = settingAt(keyPath);
    if (value === undefined) return [];
    if (isTree(value) && keysIn(keyPath).length > 0) return layersBelow(value, keyPath);
    const isText = typeof value === "string" && setting !== undefined;
    return [layerOf(keyPath, isText ? settingValue(setting, value) : value, flagName(keyPath))];
  });
}

function layerOf(path: KeyPath, value: unknown, source: string): Layer {
  const tree = path.reduceRight<unknown>((below, part) => ({ [part]: below }), value) as Tree;
  return { tree, sourceOf: () => source };
}

function nearestVariable(name: string): string {
  const known = [...settingsByVariable.keys()].map((variable) => variable.slice(prefix.length));
  return didYouMean(name.slice(prefix.length), known).replace("did you mean ", `did you mean ${prefix}`);
}

/**
 * True for the client's token and API key, and for what Kubernetes puts into every pod beside a Service that is named `tidegate` or
 * `tidegate-…`: TIDEGATE_PORT=tcp://10.0.0.1:9501, TIDEGATE_SERVICE_HOST and their like.
 */
function isForeign(name: string, env: NodeJS.ProcessEnv): boolean {
  if (clientVariables.includes(name)) return true;
  if (/_SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)$/.test(name)) return true;
  if (/_PORT_\d+_(?:TCP|UDP|SCTP)_(?:PROTO|PORT|ADDR)$/.test(name)) return true;
  return /_PORT(?:_\d+_(?:TCP|UDP|SCTP))?$/.test(name) && /^(?:tcp|udp|sctp):\/\//.test(env[name] ?? "");
}
