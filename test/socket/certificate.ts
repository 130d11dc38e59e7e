/** Self-signed certificates for 127.0.0.1, made by the openssl program. */
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { promisify } from "node:util";
import type { Lifetime } from "../support/child.ts";
import { ensureCommand } from "../support/debian.ts";

const run = promisify(execFile);

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A pair in files of its own, removed with the test. With `passphrase` the key is encrypted. */
export async function makeCertificate(t: Lifetime, passphrase?: string, days = 2): Promise<CertificateFiles> {
  const openssl = await ensureCommand("openssl", "openssl");
  const folder = await mkdtemp(join(tmpdir(), "tidegate-tls-"));
  t.after(() => rm(folder, { recursive: true }));
  const files = { certFile: join(folder, "cert.pem"), keyFile: join(folder, "key.pem") };
  const request = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days ${days} -subj /CN=tidegate.test`;
  const encryption = passphrase === undefined ? ["-nodes"] : ["-passout", `pass:${passphrase}`];
  const output = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", files.keyFile, "-out", files.certFile];
  await run(openssl, [...request.split(" "), ...encryption, ...output]);
  return files;
}

/** Puts the pair `from` into the files of `to`, as a renewal does. */
export async function replaceCertificate(to: CertificateFiles, from: Partial<CertificateFiles>): Promise<void> {
  if (from.certFile !== undefined) await copyFile(from.certFile, to.certFile);
  if (from.keyFile !== undefined) await copyFile(from.keyFile, to.keyFile);
}

export async function fingerprint({ certFile }: CertificateFiles): Promise<string> {
  return new X509Certificate(await readFile(certFile)).fingerprint256;
}

/** The fingerprint of the certificate that new connections to `port` get. */
export async function servedFingerprint(port: number): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}
