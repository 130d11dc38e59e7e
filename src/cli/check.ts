/** `tidegate check`: what `serve` would start with, or everything that stops it. */
import { stringify } from "yaml";
import { loadApiKeys } from "../auth/api-keys.ts";
import { createTokenVerifier } from "../auth/jwt-verifier.ts";
import { processEnvironment } from "../config/environment.ts";
import { loadConfig } from "../config/load-config.ts";
import { maskSecrets } from "../config/secrets.ts";
import { loadWebhookSecrets } from "../webhooks/webhook-secrets.ts";
import { parseArguments } from "./arguments.ts";
import { complain, endWithReader, print } from "./output.ts";

const grammar = { command: "check", flags: { config: "value" }, operands: [] } as const;

/** Prints the effective configuration. Throws what is wrong with it or with the keys that it names. */
export async function check(args: readonly string[]): Promise<void> {
  const { values } = parseArguments(grammar, args);
  endWithReader();
  const { config, warnings } = loadConfig({ file: values.config, env: processEnvironment, flags: {} });
  for (const warning of warnings) complain(`warning: ${warning}`);
  const log = { warn: (fields: object, text: string) => complain(`warning: ${text} ${JSON.stringify(fields)}`) };
  const verifier = await createTokenVerifier(config.auth, log);
  verifier.stop();
  loadApiKeys(config.api.keys);
  loadWebhookSecrets(config.webhooks);
  print(stringify(maskSecrets(config), { lineWidth: 0 }).trimEnd());
}
