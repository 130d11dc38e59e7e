/** Helpers of the configuration's tests: loads from a file's text, and collects what is wrong. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { ConfigError, type Fault } from "../../src/config/config-error.ts";
import { type ConfigSources, type LoadedConfig, loadConfig } from "../../src/config/load-config.ts";

/** Loads with nothing set but `sources`. */
export function load(sources: Partial<ConfigSources>): LoadedConfig {
  return loadConfig({ env: {}, flags: {}, ...sources });
}

/** The faults of a load; none where it succeeds. */
export function faultsOf(sources: Partial<ConfigSources>): readonly Fault[] {
  try {
    load(sources);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
}

/** The whole message of a load that fails. */
export function messageOf(sources: Partial<ConfigSources>): string {
  try {
    load(sources);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("the configuration was accepted");
}

/** Writes `text` to a file that ends with the test; returns its name. */
export function fileWith(t: TestContext, text: string, name = "gateway.yaml"): string {
  const folder = mkdtempSync(join(tmpdir(), "tidegate-config-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}
