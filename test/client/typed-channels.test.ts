/** What the compiler knows of messages; `npm run types` is the test, and this file runs so that it cannot be forgotten. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createClient, type MessageOn } from "../../src/client/index.ts";

interface Chat {
  readonly text: string;
}
interface Order {
  readonly status: "paid" | "shipped";
}
interface Channels {
  "chat.*": Chat;
  "orders.>": Order;
  clock: string;
}

type Same<A, B> = [A, B] extends [B, A] ? true : false;
const same = <A, B>(answer: Same<A, B>): void => assert.equal(answer, true);

describe("The messages of a channel", () => {
  it("have the type of the pattern that selects it: one word for *, the rest for >", () => {
    same<MessageOn<Channels, "chat.room">, Chat>(true);
    same<MessageOn<Channels, "orders.7.lines">, Order>(true);
    same<MessageOn<Channels, "clock">, string>(true);
    same<MessageOn<Channels, "chat.room.1">, unknown>(true);
    same<MessageOn<Channels, string>, Chat | Order | string>(true);
  });

  it("are checked where they are published, and known where they arrive", () => {
    const client = createClient<Channels>("ws://nowhere", { autoConnect: false });
    void client.publish("chat.room", { text: "Hello" });
    // @ts-expect-error: a chat message has a text
    void client.publish("chat.room", { txt: "Hello" });
    // @ts-expect-error: an order is paid or shipped
    void client.subscribe("orders.7").publish({ status: "lost" });
    client.subscribe("orders.7", ({ message }) => message.status satisfies "paid" | "shipped");
    void createClient("ws://nowhere", { autoConnect: false }).publish("anything", { goes: 1 });
    assert.equal(client.state, "idle");
  });
});
