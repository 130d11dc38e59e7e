/** The hooks of a module: its exports of these names, or those of its default export. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { hookNames } from "../metrics/guard-counters.ts";
import type { Hooks } from "./hooks.ts";

/** For the module's own `await`s, such as a connection to a database. */
const loadMs = 30_000;

/**
 * `file` is taken from the working directory. Throws where it cannot be imported within `withinMs`, or has no hook. Without
 * that end the process would end as soon as nothing else is to be done, and say nothing.
 */
export async function loadHooks(file: string, withinMs = loadMs): Promise<Hooks> {
  let module: Record<string, unknown>;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`not loaded after ${withinMs / 1000} s: something that it awaits does not come`)),
      withinMs,
    );
  });
  try {
    module = await Promise.race([import(pathToFileURL(resolve(file)).href), late]);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : `it threw ${typeof cause}`;
    throw new Error(`cannot load hooks: hooks.module must be a module, got ${file} (${why})`, { cause });
  } finally {
    clearTimeout(timer);
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
