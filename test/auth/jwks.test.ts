import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AuthSetupError } from "../../src/auth/auth-setup-error.ts";
import { jwkOf, KeyServer, keySet, rsToken, setOfA, setOfB } from "./key-server.ts";
import { goodClaims, hsToken, isAccepted, otherRsa, p256, rawToken, rsa, secret } from "./tokens.ts";

describe("Key set by URL", () => {
  it("is fetched before the first token, which is then verified at once", async () => {
    const server = await KeyServer.start(
      keySet(jwkOf("a", rsa.publicKey), jwkOf("e", p256.publicKey, { use: "sig" }), { kty: "weird" }, null),
    );
    const verifier = await server.verifier();
    assert.equal(server.requests, 1);
    assert(isAccepted(verifier.verify(rsToken("a"))));
    const token = rawToken({ alg: "ES256", kid: "e" }, goodClaims, p256.privateKey);
    assert(isAccepted(verifier.verify(token)));
    assert.equal(server.requests, 1);
    assert.deepEqual(server.log.lines, []);
  });

  it("serves tokens without kid, and keys without kid", async () => {
    const server = await KeyServer.start(keySet(jwkOf("b", otherRsa.publicKey), jwkOf(undefined, rsa.publicKey)));
    const verifier = await server.verifier();
    assert(isAccepted(verifier.verify(rsToken())));
    assert(isAccepted(verifier.verify(rsToken("any"))));
    assert(isAccepted(verifier.verify(rsToken(undefined, otherRsa.privateKey))));
  });

  it("stands beside configured keys", async () => {
    const server = await KeyServer.start(setOfA);
    const verifier = await server.verifier({ secret });
    assert(isAccepted(verifier.verify(hsToken())));
    assert(isAccepted(verifier.verify(rsToken("a"))));
  });

  it("uses a key for its own algorithm alone", async () => {
    const server = await KeyServer.start(keySet(jwkOf("a", rsa.publicKey, { alg: "PS256" })));
    const verifier = await server.verifier();
    assert.equal(verifier.verify(rsToken("a")), "invalid_token");
    const token = rawToken({ alg: "PS256", kid: "a" }, goodClaims, rsa.privateKey);
    assert(isAccepted(verifier.verify(token)));
  });

  it("refuses symmetric keys, and HS tokens signed with the text of a key", async () => {
    const k = Buffer.from(secret).toString("base64url");
    const set = keySet({ kty: "oct", k, kid: "s", alg: "HS256" }, jwkOf("a", rsa.publicKey));
    const server = await KeyServer.start(set);
    const verifier = await server.verifier();
    assert.equal(verifier.verify(hsToken(goodClaims, { kid: "s" })), "invalid_token");
    for (const text of [set, JSON.stringify(jwkOf("a", rsa.publicKey))])
      assert.equal(verifier.verify(rawToken({ alg: "HS256", kid: "a" }, goodClaims, text)), "invalid_token");
    assert.equal(server.requests, 1);
  });

  it("is never fetched from a URL in a token", async () => {
    const server = await KeyServer.start(setOfA);
    const verifier = await server.verifier();
    const stranger = await KeyServer.start(setOfB);
    const jku = stranger.url;
    server.passCooldown();
    const token = rsToken("b", otherRsa.privateKey, { jku, x5u: jku, jwk: jwkOf("b", otherRsa.publicKey) });
    assert.equal(await verifier.verify(token), "invalid_token");
    assert.equal(stranger.requests, 0);
  });

  it("refuses a URL that is none, or not of http, without printing it", async () => {
    const server = await KeyServer.start(setOfA);
    const urls = [
      "keys.json",
      "file:///etc/passwd",
      "data:application/json,{}",
      "ftp://a/hunter2",
      "https://user:hunter2@a/",
    ];
    for (const jwksUrl of urls)
      await assert.rejects(server.verifier({ jwksUrl }), (error) => {
        assert(error instanceof AuthSetupError && error.code === "jwks_url");
        assert(!error.message.includes("hunter2"));
        return true;
      });
  });
});

describe("Key set: rotation", () => {
  it("is fetched again for an unknown kid, once the cooldown is over", async () => {
    const server = await KeyServer.start(setOfA);
    const verifier = await server.verifier();
    server.serve(setOfB);
    const token = rsToken("b", otherRsa.privateKey);
    assert.equal(verifier.verify(token), "invalid_token");
    assert.equal(server.requests, 1);
    server.passCooldown();
    assert(isAccepted(await verifier.verify(token)));
    assert.equal(server.requests, 2);
  });

  it("ends the keys that are no longer listed, also for tokens that were verified before", async () => {
    const server = await KeyServer.start(setOfA);
    const verifier = await server.verifier();
    const token = rsToken("a");
    assert(isAccepted(verifier.verify(token)));
    server.serve(setOfB);
    server.passCooldown();
    await verifier.verify(rsToken("b", otherRsa.privateKey));
    assert.equal(verifier.verify(token), "invalid_token");
  });

  it("keeps what it knows of a token whose key stays", async () => {
    const server = await KeyServer.start(setOfA);
    const verifier = await server.verifier();
    const token = rsToken("a");
    const before = verifier.verify(token);
    server.serve(keySet(jwkOf("a", rsa.publicKey), jwkOf("b", otherRsa.publicKey)));
    server.passCooldown();
    assert(isAccepted(await verifier.verify(rsToken("b", otherRsa.privateKey))));
    assert.equal(verifier.verify(token), before);
  });

  it("takes another key under the same kid", async () => {
    const server = await KeyServer.start(setOfA);
    const verifier = await server.verifier();
    server.serve(keySet(jwkOf("a", otherRsa.publicKey)));
    server.passCooldown();
    await verifier.verify(rsToken("unknown"));
    assert.equal(verifier.verify(rsToken("a")), "invalid_token");
    assert(isAccepted(verifier.verify(rsToken("a", otherRsa.privateKey))));
  });

  it("is fetched again by itself, until it is stopped", async () => {
    const server = await KeyServer.start(setOfA);
    const again = new Promise<void>((resolve) => {
      const first = server.respond;
      server.respond = (request, response) => {
        if (server.requests > 2) resolve();
        first(request, response);
      };
    });
    const keepAlive = setInterval(() => {}, 1_000); // the timers of the key set do not keep a process
    const verifier = await server.verifier({}, { refreshMs: 5 });
    await again;
    clearInterval(keepAlive);
    verifier.stop();
    server.passCooldown();
    assert(isAccepted(verifier.verify(rsToken("a"))));
  });

  it("asks nobody once it is stopped", async () => {
    const server = await KeyServer.start(setOfA);
    const verifier = await server.verifier();
    verifier.stop();
    server.passCooldown();
    assert.equal(verifier.verify(rsToken("x")), "invalid_token");
    assert(isAccepted(verifier.verify(rsToken("a"))));
    assert.equal(server.requests, 1);
  });
});
