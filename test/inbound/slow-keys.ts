/** A gateway whose issuer publishes its key late: the first token that needs it waits until the test says so. */
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { createSigner } from "fast-jwt";
import { systemClock } from "../../src/clock/clock.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";

const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
const jwk = { ...pair.publicKey.export({ format: "jwk" }), kid: "late", alg: "RS256" };
const key = pair.privateKey.export({ type: "pkcs8", format: "pem" });

/** A token signed with the key that comes late. */
export function lateToken(claims: Record<string, unknown>): string {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  return createSigner({ key, algorithm: "RS256", kid: "late" })({ exp, ...claims });
}

export interface SlowKeys {
  readonly gateway: TestGateway;
  /** Resolves once the gateway has asked for the key: a token waits for it. */
  asked(): Promise<void>;
  /** Answers with the key, or with `status` alone. */
  release(status?: number): void;
}

export async function startWithSlowKeys(t: TestContext, settings: Record<string, unknown> = {}): Promise<SlowKeys> {
  let held: ServerResponse | undefined;
  let hasStarted = false;
  let tellAsked = (): void => {};
  const asked = new Promise<void>((resolve) => {
    tellAsked = resolve;
  });
  const server = createServer((_request, response) => {
    if (!hasStarted) return void response.end('{"keys":[]}');
    held = response;
    tellAsked();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  const gateway = await startTestGateway(t, { ...settings, auth: { jwksUrl } });
  hasStarted = true;
  const { nowMs } = systemClock;
  t.mock.method(systemClock, "nowMs", () => nowMs() + 60_000); // past the pause between two fetches
  return {
    gateway,
    asked: () => asked,
    release: (status = 200) => void held?.writeHead(status).end(JSON.stringify({ keys: [jwk] })),
  };
}
