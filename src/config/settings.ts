/**
 * What the schema says about a place in the configuration: the settings that a single text can hold, as the environment
 * and the command line give it, and the keys that may stand there.
 *
 * All of it is read off the schema, so a new key has its variable at once. Sections and maps are settings too; their
 * text is JSON or YAML.
 */
import { parse } from "yaml";
import { z } from "zod";
import { configSchema } from "./config-schema.ts";
import { type KeyPath, keyText } from "./key-path.ts";

export interface Setting {
  readonly path: KeyPath;
  readonly kind: "number" | "boolean" | "text" | "texts" | "map";
}

/** Every setting, a section before its keys. */
export const settings: readonly Setting[] = settingsBelow(configSchema, []);

const settingsByKey: ReadonlyMap<string, Setting> = new Map(
  settings.map((setting) => [keyText(setting.path), setting]),
);

export function settingAt(path: KeyPath): Setting | undefined {
  return settingsByKey.get(keyText(path));
}

/** The value that `text` stands for. A text that stands for none is returned as it is; the schema then says what is right. */
export function settingValue({ kind }: Setting, text: string): unknown {
  const trimmed = text.trim();
  switch (kind) {
    case "text":
      return text;
    case "number":
      return /^[+-]?\d+(?:\.\d+)?$/.test(trimmed) ? Number(trimmed) : text;
    case "boolean":
      return z.stringbool().safeParse(trimmed).data ?? text;
    case "texts":
      return trimmed.startsWith("[") ? yamlValue(text) : commaSeparated(text);
    case "map":
      return yamlValue(text);
  }
}

/** The parts of `a,b, c`; no empty ones. */
export function commaSeparated(text: string): string[] {
  const parts = text.split(",").map((part) => part.trim());
  return parts.filter((part) => part !== "");
}

/** The keys that may stand in the map at `path`; none where there is no such map, or where its keys are free. */
export function keysIn(path: KeyPath): readonly string[] {
  let schema: z.core.$ZodType = configSchema;
  for (const part of path) {
    if (schema instanceof z.ZodObject) schema = unwrapped(schema.shape[part] ?? z.never());
    else if (schema instanceof z.ZodRecord) schema = unwrapped(schema.valueType);
    else if (schema instanceof z.ZodArray) schema = unwrapped(schema.element);
    else return [];
  }
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function settingsBelow(schema: z.core.$ZodType, path: KeyPath): Setting[] {
  const inner = unwrapped(schema);
  const own: Setting[] = path.length === 0 ? [] : [{ path, kind: kindOf(inner) }];
  if (!(inner instanceof z.ZodObject)) return own;
  return [...own, ...Object.entries(inner.shape).flatMap(([key, below]) => settingsBelow(below, [...path, key]))];
}

function kindOf(schema: z.core.$ZodType): Setting["kind"] {
  if (schema instanceof z.ZodNumber) return "number";
  if (schema instanceof z.ZodBoolean) return "boolean";
  if (schema instanceof z.ZodString || schema instanceof z.ZodEnum) return "text";
  // The only unions are `oneOrMore` and `numberOrAuto`.
  if (schema instanceof z.ZodUnion) return schema.options[0] instanceof z.ZodNumber ? "number" : "texts";
  return "map";
}

/** The schema without what only adds a default, a null or a last step. */
function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodPipe) return unwrapped(schema.in);
  const isWrapper =
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable;
  return isWrapper ? unwrapped(schema.unwrap()) : schema;
}

/** The value of JSON, which is YAML too. */
function yamlValue(text: string): unknown {
  try {
    return parse(text, { logLevel: "error" }); // "silent" would return half of what is broken
  } catch {
    return text;
  }
}
