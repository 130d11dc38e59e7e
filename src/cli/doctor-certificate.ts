/** What `doctor` and `check` find of the certificate: readable, whole, for its key, and still valid for a while. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Config } from "../config/config-schema.ts";
import type { Finding, Status } from "./finding.ts";

const dayMs = 86_400_000;
/** Automatic renewal is done by then, 30 days before the end as a rule; so it is broken. */
const warnDays = 14;

/** `nowMs` since 1970. */
export function examineCertificate({ certFile, keyFile, passphrase }: Config["tls"], nowMs: number): Finding {
  const about = (status: Status, text: string): Finding => ({ subject: "tls", status, text });
  if (certFile === "") return about("ok", "off");
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(readFileSync(certFile));
  } catch (error) {
    return about("problem", `tls.certFile must be a PEM file with a certificate, got ${certFile} (${reasonOf(error)})`);
  }
  try {
    const key = createPrivateKey({ key: readFileSync(keyFile), passphrase: passphrase || undefined });
    if (!certificate.checkPrivateKey(key))
      return about("problem", `tls.keyFile must be the key of tls.certFile, got another one in ${keyFile}`);
  } catch (error) {
    const text = `tls.keyFile must be a PEM file with a private key, and tls.passphrase the one of it`;
    return about("problem", `${text}, got ${keyFile} (${reasonOf(error)})`);
  }
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  const days = Math.floor((to - nowMs) / dayMs);
  const until = new Date(to).toISOString().slice(0, 10);
  const whose = `${certFile} for ${(certificate.subjectAltName ?? certificate.subject).replaceAll("\n", ", ")}`;
  if (nowMs >= to) return about("problem", `${whose} ended on ${until}: renew it, then send SIGHUP`);
  if (nowMs < from)
    return about("problem", `${whose} begins on ${certificate.validFrom}: is the clock of this machine right?`);
  if (days < warnDays) return about("warning", `${whose} ends in ${days} days: renew it, then send SIGHUP`);
  return about("ok", `${whose}, until ${until}`);
}

const reasonOf = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
};
