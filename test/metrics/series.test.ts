import assert from "node:assert/strict";
import { it, type TestContext } from "node:test";
import { connect, refusedHandshake } from "../support/client.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";

/** The names of the gateway's own series, with their labels. */
async function seriesOf({ adminUrl }: TestGateway): Promise<string[]> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  return text
    .split("\n")
    .filter((line) => line.startsWith("tidegate_"))
    .map((line) => line.slice(0, line.lastIndexOf(" ")));
}

/** Whatever may be named is named after `i`. */
async function nameAll(t: TestContext, gateway: TestGateway, i: number): Promise<void> {
  const given = token({ user_id: `user-${i}`, role: `role-${i}` });
  const client = await connect(t, `${gateway.url}/path-${i}?token=${given}`, {
    headers: { "User-Agent": `agent-${i}` },
  });
  for (const channel of [`chat.${i}`, `presence.${i}`, `rare.${i}`, `plain.${i}`]) {
    await client.subscribe(channel);
    await client.ask("message", { channel, message: i, key: `key-${i}` });
    await client.ask("message", { channel, message: i });
  }
  await client.ask(`action-${i}`);
  await client.ask("authenticate", { token: `token-${i}` });
  client.socket.close(4000 + i, `reason-${i}`);
  await client.close();
  await refusedHandshake(`${gateway.url}/${i}`, { headers: { Origin: `https://${i}.example` } });
  for (const path of [`api/v1/call-${i}`, `page-${i}`, "api/v1/publish"])
    await fetch(`${gateway.adminUrl}/${path}`, { method: "POST", body: `body-${i}` });
}

it("A running gateway has the same series whatever clients and backends name: channels, users, actions, codes, paths", async (t) => {
  const channels = { "rare.>": { rate: 1 } };
  const gateway = await startTestGateway(t, { channels, origins: ["https://example.com"] });
  await nameAll(t, gateway, 0); // calls of backends are series from the first on
  const before = await seriesOf(gateway);
  assert.ok(before.length > 100, `${before.length} series`);
  for (let i = 1; i <= 10; i += 1) await nameAll(t, gateway, i);
  assert.equal(await gateway.metric('tidegate_refusals_total{code="unknown_action"}'), 11); // this one heard it all
  assert.deepEqual(await seriesOf(gateway), before);
});
