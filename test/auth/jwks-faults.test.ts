import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { freePort } from "../support/child.ts";
import { jwkOf, KeyServer, keySet, rsToken, setOfA, setOfB } from "./key-server.ts";
import { ed25519, encode, goodClaims, hsToken, isAccepted, otherRsa, rawToken, secret } from "./tokens.ts";

describe("Key set: floods", () => {
  it("costs one fetch in a cooldown, however many unknown kids come", async () => {
    const server = await KeyServer.start(setOfA);
    const verifier = await server.verifier();
    const [, payload, signature] = rsToken("a").split(".");
    const unknown = (kid: string) => `${encode(JSON.stringify({ alg: "RS256", kid }))}.${payload}.${signature}`;
    for (let round = 1; round <= 3; round += 1) {
      server.passCooldown();
      const flood = Array.from({ length: 500 }, (_, i) => verifier.verify(unknown(`${round}-${i}`)));
      for (const fault of await Promise.all(flood)) assert.equal(fault, "invalid_token");
      for (let i = 0; i < 100; i += 1) assert.equal(verifier.verify(unknown(`late-${round}-${i}`)), "invalid_token");
      assert.equal(server.requests, 1 + round);
    }
  });

  it("costs no fetch where it could not help: known kid, shared secret, no token", async () => {
    const server = await KeyServer.start(setOfA);
    const verifier = await server.verifier({ secret });
    server.passCooldown();
    assert.equal(verifier.verify(rsToken("a", otherRsa.privateKey)), "invalid_token");
    assert.equal(verifier.verify(rawToken({ alg: "HS512", kid: "x" }, goodClaims, secret)), "invalid_token");
    assert.equal(verifier.verify(rawToken({ alg: "none", kid: "x" }, goodClaims, secret)), "invalid_token");
    assert.equal(verifier.verify("x.y.z"), "invalid_token");
    assert.equal(server.requests, 1);
  });

  it("serves known keys at once while a fetch for an unknown one hangs", async () => {
    const server = await KeyServer.start(setOfA);
    const verifier = await server.verifier();
    let hanging: ServerResponse | undefined;
    const asked = new Promise<void>((resolve) => {
      server.respond = (_request, response) => {
        hanging = response;
        resolve();
      };
    });
    server.passCooldown();
    const waiting = verifier.verify(rsToken("b", otherRsa.privateKey));
    await asked;
    const joining = verifier.verify(rsToken("b", otherRsa.privateKey, { typ: "JWT" }));
    assert(isAccepted(verifier.verify(rsToken("a"))));
    hanging?.end(setOfB);
    assert(isAccepted(await waiting) && isAccepted(await joining));
    assert.equal(server.requests, 2);
  });
});

describe("Key set: a server that fails", () => {
  const manyKeys = keySet(...Array.from({ length: 101 }, (_, i) => jwkOf(String(i), ed25519.publicKey)));
  const nonsense: Readonly<Record<string, (response: ServerResponse) => void>> = {
    "says 503": (response) => void response.writeHead(503).end(setOfA),
    "says 404": (response) => void response.writeHead(404).end(setOfA),
    redirects: (response) => void response.writeHead(302, { location: "/keys" }).end(),
    "sends no JSON": (response) => void response.end("<html>hunter2</html>"),
    "sends nothing": (response) => void response.end(),
    "sends an array": (response) => void response.end(`[${setOfA}]`),
    "sends no list of keys": (response) => void response.end('{"keys":{"0":{}}}'),
    "breaks off": (response) =>
      void response.writeHead(200, { "content-length": 9_999 }).write(setOfA, () => response.destroy()),
    "sends more than 256 kB": (response) => void response.end(setOfA + " ".repeat(262_144)),
    "sends more than 256 kB, compressed": (response) =>
      void response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(setOfA + " ".repeat(10_000_000))),
    "lists more than 100 keys": (response) => void response.end(manyKeys),
    "never ends": (response) => void response.writeHead(200).write(setOfA),
    "never answers": () => {},
  };

  for (const [name, answer] of Object.entries(nonsense)) {
    it(`makes tokens unavailable, not invalid, where the server ${name}`, async () => {
      const server = await KeyServer.start("");
      server.respond = (_request, response) => answer(response);
      const times = name.startsWith("never") ? { timeoutMs: 1000 } : {};
      const verifier = await server.verifier({ secret }, times);
      assert.equal(verifier.verify(rsToken("a")), "unavailable");
      assert.equal(verifier.verifySubscription(rsToken("a")), "unavailable");
      assert(isAccepted(verifier.verify(hsToken())));
      assert.equal(verifier.verify("no.token.x"), "invalid_token");
      assert.equal(server.requests, 1);
      assert.equal(server.log.lines.length, 1);
      assert.match(server.log.lines[0] ?? "", /^cannot fetch the key set/);
      assert.doesNotMatch(server.log.lines[0] ?? "", /hunter2/);
    });
  }

  it("ends an endless body at 256 kB", async () => {
    const server = await KeyServer.start("");
    const closed = new Promise<void>((resolve) => {
      server.respond = (_request, response) => {
        const push = () => {
          while (response.write(" ".repeat(65_536)));
        };
        response.on("drain", push).on("close", resolve);
        push();
      };
    });
    const verifier = await server.verifier();
    await closed;
    assert.equal(verifier.verify(rsToken("a")), "unavailable");
    assert.match(server.log.lines[0] ?? "", /more than 262144 bytes/);
  });

  it("starts where nobody listens, and does not log the query of the URL", async () => {
    const server = await KeyServer.start("");
    const verifier = await server.verifier({ jwksUrl: `http://127.0.0.1:${await freePort()}/keys?token=hunter2` });
    assert.equal(verifier.verify(rsToken("a")), "unavailable");
    assert.match(server.log.lines[0] ?? "", /ECONNREFUSED/);
    assert.doesNotMatch(server.log.lines[0] ?? "", /hunter2/);
  });

  it("leaves the last good keys in use", async () => {
    const server = await KeyServer.start(setOfA);
    const verifier = await server.verifier();
    server.fail();
    for (let round = 0; round < 3; round += 1) {
      server.passCooldown();
      assert.equal(await verifier.verify(rsToken("b", otherRsa.privateKey)), "unavailable");
      assert(isAccepted(verifier.verify(rsToken("a"))));
      assert.equal(verifier.verify(rsToken("a", otherRsa.privateKey)), "invalid_token");
      assert.equal(verifier.verify(rsToken(undefined, otherRsa.privateKey)), "invalid_token");
    }
    assert.equal(server.log.lines.length, 1);
  });

  it("is asked again after the cooldown, and logged as back", async () => {
    const server = await KeyServer.start("");
    server.fail();
    const verifier = await server.verifier();
    server.serve(setOfA);
    assert.equal(verifier.verify(rsToken("a")), "unavailable");
    assert.equal(server.requests, 1);
    server.passCooldown();
    assert(isAccepted(await verifier.verify(rsToken("a"))));
    assert.equal(server.log.lines.length, 2);
    assert.match(server.log.lines[1] ?? "", /^the key set is back/);
  });

  it("is believed where it lists no usable key", async () => {
    const server = await KeyServer.start(keySet());
    const verifier = await server.verifier();
    assert.equal(verifier.verify(rsToken("a")), "invalid_token");
    assert.match(server.log.lines[0] ?? "", /^the key set holds no usable key/);
  });
});
