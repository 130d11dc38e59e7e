/** What `doctor` and `check` say of the certificate: whether it can be used, and is still valid for a while. */
import { readCertificate } from "../config/certificate.ts";
import type { Config } from "../config/config-schema.ts";
import type { Finding, Status } from "./finding.ts";

const dayMs = 86_400_000;
/** Automatic renewal is done by then, 30 days before the end as a rule; so it is broken. */
const warnDays = 14;

/** `nowMs` since 1970. */
export function examineCertificate(tls: Config["tls"], nowMs: number): Finding {
  const about = (status: Status, text: string): Finding => ({ subject: "tls", status, text });
  if (tls.certFile === "") return about("ok", "off");
  let certificate: ReturnType<typeof readCertificate>;
  try {
    certificate = readCertificate(tls);
  } catch (error) {
    return about("problem", (error as Error).message);
  }
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  const days = Math.floor((to - nowMs) / dayMs);
  const until = new Date(to).toISOString().slice(0, 10);
  const whose = `${tls.certFile} for ${(certificate.subjectAltName ?? certificate.subject).replaceAll("\n", ", ")}`;
  if (nowMs >= to) return about("problem", `${whose} ended on ${until}: renew it, then send SIGHUP`);
  if (nowMs < from)
    return about("problem", `${whose} begins on ${certificate.validFrom}: is the clock of this machine right?`);
  if (days < warnDays) return about("warning", `${whose} ends in ${days} days: renew it, then send SIGHUP`);
  return about("ok", `${whose}, until ${until}`);
}
