import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bystanders } from "../inbound/company.ts";
import { until } from "../support/child.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { handshakeText, RawClient } from "./raw-client.ts";

describe("A client that takes its time to ask", () => {
  it("is cut off on either port, whether it says nothing, stops in its headers or sends them byte by byte; others are served", async (t) => {
    const gateway = await startTestGateway(t);
    const others = await bystanders(t, gateway);
    const head = handshakeText().slice(0, -2);
    const beginnings = { nothing: "", "half a line": "GET", headers: head, "a header without end": `${head}X-Slow: ` };
    const waiting: RawClient[] = [];
    for (const port of [gateway.port, gateway.adminPort])
      for (const [what, beginning] of Object.entries(beginnings)) {
        const client = await RawClient.connect(t, port);
        client.write(beginning);
        waiting.push(client);
        if (!what.startsWith("a header")) continue;
        const dripping = setInterval(() => client.write("x"), 200);
        t.after(() => clearInterval(dripping));
      }
    for (const client of waiting) await client.over();
    assert.equal(await gateway.metric('tidegate_connections{format="json"}'), 1); // the bystanders'
    await others.stop();
  });
});

describe("A flood of handshakes", () => {
  it("with good and bad tokens has each of them answered, others served, and nothing left", async (t) => {
    const gateway = await startTestGateway(t, { auth: { required: true }, connectionsPerAddressMax: 100 });
    const good = token({ user_id: 1 });
    const others = await bystanders(t, gateway, `token=${good}`);
    const tokens = [
      [good, 101],
      [token({ user_id: 1, exp: 1 }), 401],
      [`${good.slice(0, -5)}AAAAA`, 401],
      ["", 401],
    ] as const;
    const flood = Array.from({ length: 800 }, (_, i) => tokens[i % tokens.length]!);
    const attacker = async (): Promise<void> => {
      for (let next = flood.pop(); next !== undefined; next = flood.pop()) {
        const client = await RawClient.connect(t, gateway.port);
        client.write(handshakeText({ target: `/?token=${next[0]}` }));
        assert.equal((await client.answer()).status, next[1]);
        client.socket.destroy();
      }
    };
    await Promise.all(Array.from({ length: 20 }, attacker));
    assert.equal(await gateway.metric('tidegate_handshakes_total{status="401"}'), 600);
    assert.equal(await gateway.metric('tidegate_handshakes_total{status="101"}'), 202);
    await until(
      async () => (await gateway.metric('tidegate_connections{format="json"}')) === 1,
      () => "connections are left",
    );
    await others.stop();
  });
});
