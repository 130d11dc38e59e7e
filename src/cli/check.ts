/** `tidegate check`: what `serve` would start with, or everything that stops it. */
import { stringify } from "yaml";
import { ConfigError } from "../config/config-error.ts";
import { maskSecrets } from "../config/secrets.ts";
import { parseArguments } from "./arguments.ts";
import { examineCertificate } from "./certificate.ts";
import { inspect } from "./inspect.ts";
import { complain, endWithReader, print } from "./output.ts";

const grammar = { command: "check", flags: { config: "value" }, operands: [] } as const;

/** Prints the effective configuration. Throws what is wrong with it, its keys or its certificate. */
export async function check(args: readonly string[]): Promise<void> {
  const { values } = parseArguments(grammar, args);
  endWithReader();
  const config = await inspect(values.config, (warning) => complain(`warning: ${warning}`));
  const { status, text } = examineCertificate(config.tls, Date.now());
  if (status === "problem") throw new ConfigError([{ source: "tls", key: "", text }]);
  if (status === "warning") complain(`warning: ${text}`);
  print(stringify(maskSecrets(config), { lineWidth: 0 }).trimEnd());
}
