/** `tidegate check`: what `serve` would start with, or everything that stops it. */
import { stringify } from "yaml";
import { maskSecrets } from "../config/secrets.ts";
import { parseArguments } from "./arguments.ts";
import { inspect } from "./inspect.ts";
import { complain, endWithReader, print } from "./output.ts";

const grammar = { command: "check", flags: { config: "value" }, operands: [] } as const;

/** Prints the effective configuration. Throws what is wrong with it or with the keys that it names. */
export async function check(args: readonly string[]): Promise<void> {
  const { values } = parseArguments(grammar, args);
  endWithReader();
  const config = await inspect(values.config, (warning) => complain(`warning: ${warning}`));
  print(stringify(maskSecrets(config), { lineWidth: 0 }).trimEnd());
}
