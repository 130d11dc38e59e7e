/** The hooks of a module: its exports of these names, or those of its default export. */
import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { hookNames } from "../metrics/guard-counters.ts";
import type { Hooks } from "./hooks.ts";

/** For the module's own `await`s, such as a connection to a database. */
const loadingMsMax = 30_000;

/**
 * `file` is taken from the working directory. Rejects where it cannot be imported, or not in time, or has no hook. An
 * `await` that nothing ends would end the process without a word, or keep it from starting for ever.
 */
export async function loadHooks(file: string, withinMs = loadingMsMax): Promise<Hooks> {
  let module: Record<string, unknown>;
  const waiting = new AbortController();
  const late = setTimeout(withinMs, undefined, { signal: waiting.signal }).then(() => {
    throw new Error(`not loaded after ${withinMs / 1000} s: something that it awaits does not come`);
  });
  try {
    module = await Promise.race([import(pathToFileURL(resolve(file)).href), late]);
  } catch (cause) {
    throw new Error(`cannot load hooks: hooks.module must be a module, got ${file} (${(cause as Error).message})`, {
      cause,
    });
  } finally {
    late.catch(() => {}); // ended here, and told to nobody
    waiting.abort();
  }
  return checkedHooks({ ...(module.default as object | undefined), ...module }, `hooks.module ${file}`);
}

/** The hooks among what `given` has. Throws where one is no function, and where there is none. */
function checkedHooks(given: Readonly<Record<string, unknown>>, source: string): Hooks {
  const named = hookNames.filter((name) => given[name] !== undefined);
  for (const name of named) {
    if (typeof given[name] !== "function")
      throw new TypeError(`cannot use hooks: ${name} of ${source} must be a function, got ${typeof given[name]}`);
  }
  if (named.length === 0) throw new TypeError(`cannot use hooks: ${source} must have one of ${hookNames.join(", ")}`);
  return given as Hooks;
}
