/** How a request to a backend is signed: the `Tidegate-Signature` header, the same for call-outs and webhooks. */
import { createHmac } from "node:crypto";

/** `t=SECONDS,v1=HEX`: HMAC-SHA256 of the seconds, a dot and the body; the time lets a backend refuse what is old. */
export function signature(secret: string | Buffer, unixSeconds: number, body: string): string {
  return `t=${unixSeconds},v1=${createHmac("sha256", secret).update(`${unixSeconds}.${body}`).digest("hex")}`;
}
