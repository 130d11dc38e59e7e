import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";

describe("A gateway with its defaults", () => {
  it("carries a message from one subscriber to all of them, the sender included", async (t) => {
    const gateway = await startTestGateway(t);
    const [alice, bob] = [await connect(t, gateway.url), await connect(t, gateway.url)];
    for (const client of [alice, bob]) await client.subscribe("chat.room.1");
    alice.request("message", { channel: "chat.room.1", message: "Hello everyone!" });
    for (const client of [alice, bob]) {
      const { channel, sender, message, time } = await client.next({ action: "message" });
      assert.deepEqual({ channel, sender, message }, { channel: "chat.room.1", sender: 1, message: "Hello everyone!" });
      assert.equal(Number.isInteger(time), true);
    }
  });
});
