/**
 * What is wrong with a configuration: all of it at once, each fault with the place where a person mends it.
 */

/** One thing to mend. */
export interface Fault {
  /** The file and line, the environment variable, or the flag that set the value. */
  readonly source: string;
  /** The key's path, such as `auth.keys[0].kid`; empty for the source as a whole. */
  readonly key: string;
  /** What was expected and what was given, without secrets; reads on from the key. */
  readonly text: string;
}

/** Thrown by `loadConfig`. Its message has one line a fault. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code = "invalid_config";
  readonly faults: readonly Fault[];

  /** `faults` has at least one. */
  constructor(faults: readonly Fault[]) {
    const lines = faults.map(({ source, key, text }) => `  ${source}: ${key === "" ? text : `${key} ${text}`}`);
    super(["the configuration is not valid:", ...lines].join("\n"));
    this.faults = faults;
  }
}
