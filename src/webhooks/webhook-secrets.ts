/** What webhooks are signed with: from the configuration, or from the files that it names. */
import { readFileSync } from "node:fs";
import { AuthSetupError } from "../auth/auth-setup-error.ts";
import type { WebhookOptions } from "./webhook-options.ts";

/** Of RFC 7518, section 3.2, as for tokens: a key as long as the hash. */
const bytesMin = 32;

/** One for each webhook. Reads the files; throws `AuthSetupError` at the first one that is not fit. */
export function loadWebhookSecrets(webhooks: readonly Pick<WebhookOptions, "secret" | "secretFile">[]): Buffer[] {
  return webhooks.map(({ secret, secretFile }, i) =>
    secretFile === undefined ? Buffer.from(secret ?? "") : readSecret(secretFile, i),
  );
}

function readSecret(file: string, index: number): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    const text = `cannot start webhooks: webhooks[${index}].secretFile must be a readable file, got ${JSON.stringify(file)}`;
    throw new AuthSetupError("key_unreadable", text, cause);
  }
  const secret = Buffer.from(bytes.toString("latin1").replace(/\r?\n$/, ""), "latin1"); // `echo` and editors end a file with it
  if (secret.length >= bytesMin) return secret;
  const rule = `a file with a secret of at least ${bytesMin} bytes`;
  throw new AuthSetupError(
    "weak_secret",
    `cannot start webhooks: webhooks[${index}].secretFile must be ${rule}, got ${secret.length} bytes`,
  );
}
