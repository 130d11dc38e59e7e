/**
 * The configuration from all its sources: defaults, below the file, below the environment, below the command line.
 *
 * Nothing faulty leaves this file, and no fault hides another: all are collected and thrown at once.
 */
import assert from "node:assert/strict";
import { ConfigError, type Fault } from "./config-error.ts";
import { readConfigFile } from "./config-file.ts";
import { type Config, configSchema } from "./config-schema.ts";
import { environmentLayers, flagLayers } from "./environment.ts";
import { type KeyPath, keyText } from "./key-path.ts";
import { checkLayer, isTree, type Layer, merge, sets, type Tree } from "./layer.ts";
import { packagedConfigFile } from "./packaged-file.ts";
import { relationsOf, warningsOf } from "./relations.ts";

export interface ConfigSources {
  /** The file named on the command line; without one `config/gateway.yaml` of this package. */
  readonly file?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** A tree like the configuration; texts are read as the environment's are, `undefined` is not set. */
  readonly flags: object;
  /** The options of an embedding program: a tree like the configuration, of values and not of texts. */
  readonly embedded?: object | undefined;
}

export interface LoadedConfig {
  readonly config: Config;
  /** What is accepted and will disappoint, for the log or for standard error. */
  readonly warnings: readonly string[];
}

/** Reads, checks and freezes the configuration. Throws a `ConfigError` with every fault of every source. */
export function loadConfig({ file = packagedConfigFile, env, flags, embedded = {} }: ConfigSources): LoadedConfig {
  const fromFile = readConfigFile(file);
  const fromEnvironment = environmentLayers(env);
  const fromFiles = "layer" in fromFile ? [fromFile.layer] : [];
  const sources = [...fromFiles, ...fromEnvironment.layers, ...flagLayers(flags), embeddedLayer(embedded)];
  const checked = sources.map(checkLayer);
  const layers = checked.map(({ layer }) => layer);

  const merged = layers.reduce((lower, { tree }) => merge(lower, tree), configSchema.parse({}) as Tree);
  const config = deepFreeze(structuredClone(configSchema.parse(merged))) as Config;

  const located = checked.flatMap(({ faults }) => faults);
  const faultyPaths = located.map(({ path }) => path);
  const faults: Fault[] = [
    ...("faults" in fromFile ? fromFile.faults : relationFaults(config, layers, faultyPaths)),
    ...fromEnvironment.faults,
    ...located.map(({ source, key, text }) => ({ source, key, text })),
  ];
  if (faults.length > 0) throw new ConfigError(faults);
  return { config, warnings: warningsOf(config) };
}

/** What is no value of a configuration, such as a function, is named by a text: no key takes that one. */
function embeddedLayer(options: object): Layer {
  const plain = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(plain);
    if (isTree(value))
      return Object.fromEntries(
        Object.entries(value)
          .filter(([, item]) => item !== undefined)
          .map(([key, item]) => [key, plain(item)]),
      );
    return typeof value === "function" || typeof value === "symbol" ? `[${typeof value}]` : value;
  };
  return { tree: plain(options) as Tree, sourceOf: () => "createGateway" };
}

/** The relations that do not hold, apart from those with a key that is known to be faulty. */
function relationFaults(config: Config, layers: readonly Layer[], faultyPaths: readonly KeyPath[]): Fault[] {
  const isFaulty = (path: KeyPath) => faultyPaths.some((faulty) => isWithin(path, faulty) || isWithin(faulty, path));
  return relationsOf(config).flatMap(({ paths, fault }) => {
    if (fault === undefined || paths.some(isFaulty)) return [];
    return [{ source: lastSource(layers, paths), key: keyText(paths[0]), text: fault }];
  });
}

/** The topmost place that sets one of `paths`: what to change first. */
function lastSource(layers: readonly Layer[], paths: readonly KeyPath[]): string {
  for (const { tree, sourceOf } of [...layers].reverse()) {
    const path = paths.find((candidate) => sets(tree, candidate));
    if (path !== undefined) return sourceOf(path);
  }
  assert.fail("the defaults contradict each other");
}

const isWithin = (path: KeyPath, above: KeyPath): boolean => above.every((part, i) => path[i] === part);

function deepFreeze(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  for (const item of Object.values(value)) deepFreeze(item);
  return Object.freeze(value);
}
