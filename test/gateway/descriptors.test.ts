import assert from "node:assert/strict";
import { it } from "node:test";
import { handshakeText, RawClient } from "../socket/raw-client.ts";
import { until } from "../support/child.ts";
import { connect } from "../support/client.ts";
import { GatewayProcess } from "./process.ts";

it("A process without a free file descriptor goes on for those who are connected, and takes newcomers once some have gone", async (t) => {
  const limited = ["sh", "-c", 'ulimit -n 120; exec "$@"', "sh"];
  const { gateway, url, port } = await GatewayProcess.start(t, { MAX_MESSAGES_PER_MINUTE: "0" }, limited);
  const early = await connect(t, url);
  await early.subscribe("chat.a");
  const crowd: RawClient[] = [];
  const answered = new Set<RawClient>();
  for (let i = 0; i < 150; i += 1) {
    const client = await RawClient.connect(t, port);
    client.write(handshakeText());
    client.answer().then(
      () => answered.add(client),
      () => {},
    );
    crowd.push(client);
  }
  for (let n = 0; n < 100; n += 1) {
    early.request("message", { channel: "chat.a", message: n });
    await early.next({ action: "message", message: n });
  }
  assert.ok(answered.size > 20 && answered.size < 120, `${answered.size} of ${crowd.length} were taken`);
  for (const client of answered) client.socket.destroy();
  const waiting = crowd.filter((client) => !answered.has(client)).slice(0, 20);
  await until(
    () => waiting.every((client) => answered.has(client)),
    () => `${waiting.filter((client) => answered.has(client)).length} of ${waiting.length} were taken afterwards`,
  );
  await early.settled();
  assert.deepEqual(
    gateway.log.filter(({ level }) => level === "fatal"),
    [],
  );
});
