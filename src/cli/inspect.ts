/** The configuration with everything that it names, as `serve` would load it: for `check` and `doctor`. */
import { loadApiKeys } from "../auth/api-keys.ts";
import { createTokenVerifier } from "../auth/jwt-verifier.ts";
import type { Config } from "../config/config-schema.ts";
import { loadConfig } from "../config/load-config.ts";
import { processEnvironment } from "../config/process-environment.ts";
import { loadWebhookSecrets } from "../webhooks/webhook-secrets.ts";

/** Resolves to the configuration. Rejects with what is wrong with it, or with the keys that it names. */
export async function inspect(file: string | undefined, warn: (text: string) => void): Promise<Config> {
  const { config, warnings } = loadConfig({ file, env: processEnvironment, flags: {} });
  for (const warning of warnings) warn(warning);
  const log = { warn: (fields: object, text: string) => warn(`${text} ${JSON.stringify(fields)}`) };
  const verifier = await createTokenVerifier(config.auth, log);
  verifier.stop();
  loadApiKeys(config.api.keys);
  loadWebhookSecrets(config.webhooks);
  return config;
}
