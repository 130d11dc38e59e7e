import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Origins } from "../../src/socket/origins.ts";
import { connect, refusedHandshake } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";

describe("Origins", () => {
  const cases: Record<string, { allowed: (string | undefined)[]; refused: string[] }> = {
    "https://example.com": {
      allowed: ["https://example.com", "HTTPS://Example.COM", undefined],
      refused: [
        "http://example.com",
        "https://example.com:8443",
        "https://evil-example.com",
        "https://example.com.evil.com",
        "https://sub.example.com",
        "https://example.com/",
        "https://example.com, https://evil.com",
        "https://evil.com,https://example.com",
        "null",
        "",
      ],
    },
    "https://*.example.com": {
      allowed: ["https://a.example.com", "https://a.b.example.com", "https://A.EXAMPLE.com", undefined],
      refused: [
        "https://example.com",
        "https://.example.com",
        "https://evil-example.com",
        "https://evil.com/.example.com",
        "https://evil.com#.example.com",
        "https://evil.com?.example.com",
        "https://evil.com\\.example.com",
        "https://user@a.example.com",
        "https://evil.com:80.example.com",
        "https://a.example.com.evil.com",
        "https://a.example.com:8443",
        "http://a.example.com",
        "https://a.example.co",
        "null",
      ],
    },
    "https://*.example.com:8443": { allowed: ["https://a.example.com:8443"], refused: ["https://a.example.com"] },
    "http://localhost:3000": {
      allowed: ["http://localhost:3000"],
      refused: ["http://localhost:3001", "http://localhost"],
    },
    null: { allowed: ["null", undefined], refused: ["https://example.com", ""] },
    "*": { allowed: ["https://anything.example", "null", "", "garbage", undefined], refused: [] },
  };
  for (const [configured, { allowed, refused }] of Object.entries(cases)) {
    for (const origin of allowed) {
      it(`${configured} allows ${origin ?? "a client without an Origin header"}`, () => {
        assert.equal(new Origins([configured]).allows(origin), true);
      });
    }
    for (const origin of refused) {
      it(`${configured} refuses ${JSON.stringify(origin)}`, () => {
        assert.equal(new Origins([configured]).allows(origin), false);
      });
    }
  }

  it("of an empty list are none at all", () => {
    assert.equal(new Origins([]).allows("https://example.com"), false);
    assert.equal(new Origins([]).allows(undefined), true);
  });
});

describe("A handshake from a web page", () => {
  const settings = { origins: ["https://example.com", "https://*.example.org"] };

  for (const origin of ["https://example.com", "https://chat.example.org"]) {
    it(`of ${origin} is accepted where that is configured`, async (t) => {
      const gateway = await startTestGateway(t, settings);
      await connect(t, gateway.url, { headers: { Origin: origin } });
    });
  }

  for (const origin of ["https://evil-example.com", "https://evil-example.org", "https://example.org", "null"]) {
    it(`of ${origin} is refused with 403, before the upgrade`, async (t) => {
      const gateway = await startTestGateway(t, settings);
      const { status, body } = await refusedHandshake(gateway.url, { headers: { Origin: origin } });
      assert.equal(status, 403);
      assert.deepEqual(JSON.parse(body), { success: false, error: "Origin not allowed" });
      assert.equal(await gateway.metric('tidegate_handshakes_total{status="403"}'), 1);
      assert.equal(await gateway.metric("tidegate_connections_opened_total"), 0);
    });
  }

  it("is no matter where the client sends no Origin: it is no browser", async (t) => {
    const gateway = await startTestGateway(t, settings);
    await connect(t, gateway.url);
  });

  it("with two Origin headers is refused, although one of them is allowed", async (t) => {
    const gateway = await startTestGateway(t, settings);
    const headers = { Origin: ["https://example.com", "https://evil.com"] as unknown as string };
    assert.equal((await refusedHandshake(gateway.url, { headers })).status, 403);
  });
});
