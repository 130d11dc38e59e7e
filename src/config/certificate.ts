/** The certificate of the configuration, read as TLS will need it: whole, and with its own key beside it. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Config } from "./config-schema.ts";

/** The certificate that `certFile` names. Throws an `Error` that says which setting to mend. */
export function readCertificate({ certFile, keyFile, passphrase }: Config["tls"]): X509Certificate {
  const certificate = attempt(
    () => new X509Certificate(readFileSync(certFile)),
    `tls.certFile must be a PEM file with a certificate, got ${certFile}`,
  );
  const key = attempt(
    () => createPrivateKey({ key: readFileSync(keyFile), passphrase: passphrase || undefined }),
    `tls.keyFile must be a PEM file with a private key, and tls.passphrase the one of it, got ${keyFile}`,
  );
  if (certificate.checkPrivateKey(key)) return certificate;
  throw new Error(`tls.keyFile must be the key of tls.certFile, got another one in ${keyFile}`);
}

function attempt<T>(read: () => T, rule: string): T {
  try {
    return read();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new Error(`${rule} (${code ?? message})`, { cause });
  }
}
