/** A key server for the tests, on a port of its own, and what they say to it. One for each test, closed at its end. */
import type { KeyObject } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";
import type { AuthOptions } from "../../src/auth/auth-options.ts";
import { type JwksTimes, jwksTimes } from "../../src/auth/jwks.ts";
import { createTokenVerifier } from "../../src/auth/jwt-verifier.ts";
import { authOptions, goodClaims, otherRsa, rawToken, rsa, TestClock, TestLog } from "./tokens.ts";

export class KeyServer {
  readonly clock = new TestClock();
  readonly log = new TestLog();
  readonly url: string;
  requests = 0;
  respond: RequestListener = (_request, response) => void response.writeHead(404).end();

  private constructor(port: number) {
    this.url = `http://127.0.0.1:${port}/keys`;
  }

  /** A server that answers with `body`. */
  static async start(body: string | Uint8Array): Promise<KeyServer> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const keyServer = new KeyServer((server.address() as AddressInfo).port);
    keyServer.serve(body);
    server.on("request", (request, response) => {
      keyServer.requests += 1;
      keyServer.respond(request, response);
    });
    after(() => {
      server.close();
      server.closeAllConnections();
    });
    return keyServer;
  }

  serve(body: string | Uint8Array): void {
    this.respond = (_request, response) => void response.end(body);
  }

  fail(): void {
    this.respond = (_request, response) => void response.writeHead(503).end("down");
  }

  /** Lets the time pass after which an unknown key is worth a fetch. */
  passCooldown(): void {
    this.clock.ms += jwksTimes.cooldownMs;
  }

  /** A verifier that gets its keys here; stopped at the end of the test. */
  async verifier(changes: Partial<AuthOptions> = {}, times: Partial<JwksTimes> = {}) {
    const options = authOptions({ jwksUrl: this.url, ...changes });
    const { clock, log } = this;
    const verifier = await createTokenVerifier(options, log, { clock, jwksTimes: { ...jwksTimes, ...times } });
    after(() => verifier.stop());
    return verifier;
  }
}

export const jwkOf = (kid: string | undefined, key: KeyObject, more: object = {}): object => ({
  ...key.export({ format: "jwk" }),
  kid,
  ...more,
});
export const keySet = (...keys: unknown[]): string => JSON.stringify({ keys });
export const rsToken = (kid?: string, key: KeyObject = rsa.privateKey, more: object = {}): string =>
  rawToken({ alg: "RS256", kid, ...more }, goodClaims, key);

/** The set with the key `a` (`rsa`), and the one with the key `b` (`otherRsa`). */
export const setOfA = keySet(jwkOf("a", rsa.publicKey));
export const setOfB = keySet(jwkOf("b", otherRsa.publicKey));
