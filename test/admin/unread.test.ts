import assert from "node:assert/strict";
import { it } from "node:test";
import { bystanders } from "../inbound/company.ts";
import { RawClient } from "../socket/raw-client.ts";
import { startTestGateway } from "../support/gateway.ts";

it("Clients of the admin port that never read what they asked for hold up nobody, however much they ask", async (t) => {
  const gateway = await startTestGateway(t);
  const others = await bystanders(t, gateway);
  const clients: RawClient[] = [];
  for (const path of ["/metrics", "/", "/api/openapi.json"])
    for (let n = 0; n < 10; n += 1) {
      const client = await RawClient.connect(t, gateway.adminPort);
      client.socket.pause();
      const request = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
      client.write(n % 2 === 0 ? request : request.repeat(500));
      clients.push(client);
    }
  for (let n = 0; n < 10; n += 1) {
    const answer = await fetch(`${gateway.adminUrl}/metrics`);
    assert.equal(answer.status, 200);
    assert.match(await answer.text(), /^tidegate_connections\{format="json"\} 1$/m);
  }
  const published = await fetch(`${gateway.adminUrl}/api/v1/publish`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ channel: "chat.a", message: 1 }),
  });
  assert.equal(published.status, 200);
  for (const { socket } of clients) socket.resetAndDestroy();
  await others.stop();
});
