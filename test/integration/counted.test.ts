import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import WebSocket from "ws";
import { startTestGateway } from "../support/gateway.ts";

const channelCount = 20;
const publisherCount = 200;
const messagesEach = 500;
const inFlightMax = 20;
const churnersCount = 10;
const channels = Array.from({ length: channelCount }, (_, i) => `chat.counted.${i}`);

/** What one subscriber of a channel was given, in order: `publisher:number` each. */
type Delivered = readonly string[];

/** Faults of one channel, in words; none where all subscribers agree and nothing is lost or doubled. */
function faultsOf(acknowledged: readonly string[], subscribers: readonly Delivered[]): string[] {
  const faults: string[] = [];
  const [first = []] = subscribers;
  const published = new Set(acknowledged);
  for (const [i, delivered] of subscribers.entries()) {
    const distinct = new Set(delivered);
    if (distinct.size !== delivered.length) faults.push(`subscriber ${i}: ${delivered.length - distinct.size} doubled`);
    const lost = acknowledged.filter((message) => !distinct.has(message));
    if (lost.length > 0) faults.push(`subscriber ${i}: ${lost.length} lost`);
    const strange = delivered.filter((message) => !published.has(message));
    if (strange.length > 0) faults.push(`subscriber ${i}: ${strange.length} that nobody published`);
    if (delivered.some((message, at) => message !== first[at])) faults.push(`subscriber ${i}: another order`);
  }
  return faults;
}

/** A subscriber of `channel` that publishes to it, with a bounded number of messages unacknowledged. */
class Publisher {
  readonly delivered: string[] = [];
  readonly acknowledged: string[] = [];
  readonly #socket: WebSocket;
  readonly #channel: string;

  constructor(socket: WebSocket, channel: string) {
    this.#socket = socket;
    this.#channel = channel;
  }

  async subscribe(): Promise<void> {
    const subscribed = new Promise<void>((resolve, reject) => {
      this.#socket.on("message", (data: Buffer) => {
        const frame = JSON.parse(data.toString());
        if (frame.action === "message") this.delivered.push(frame.message);
        else if (frame.action === "message_sent") this.#acknowledge(frame.id);
        else if (frame.action === "subscribe") resolve();
        else if (frame.success === false) reject(new Error(JSON.stringify(frame)));
      });
    });
    this.#send("subscribe", { channel: this.#channel });
    await subscribed;
  }

  #acknowledge: (message: string) => void = () => {};

  /** Resolves when all messages are acknowledged. */
  publish(name: string): Promise<void> {
    return new Promise((resolve) => {
      let sent = 0;
      const sendMore = (): void => {
        for (; sent < messagesEach && sent - this.acknowledged.length < inFlightMax; sent += 1) {
          const message = `${name}:${sent}`;
          this.#send("message", { channel: this.#channel, message }, message);
        }
      };
      this.#acknowledge = (message) => {
        this.acknowledged.push(message);
        if (this.acknowledged.length === messagesEach) resolve();
        else sendMore();
      };
      sendMore();
    });
  }

  /** Resolves once everything handed out before has arrived. */
  async settled(): Promise<void> {
    const pong = new Promise<void>((resolve) => {
      this.#socket.on("message", (data: Buffer) => {
        if (JSON.parse(data.toString()).action === "pong") resolve();
      });
    });
    this.#send("ping", undefined);
    await pong;
  }

  #send(action: string, data: object | undefined, id?: string): void {
    this.#socket.send(JSON.stringify({ action, data, id }));
  }
}

async function open(t: TestContext, url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  t.after(() => socket.terminate());
  await new Promise((resolve, reject) => {
    socket.once("message", resolve); // the welcome
    socket.once("error", reject);
  });
  return socket;
}

/** Connections that come, subscribe, leave and go, until told to stop. Resolves to how many there were. */
async function churn(t: TestContext, url: string, isOver: () => boolean): Promise<number> {
  let count = 0;
  for (; !isOver(); count += 1) {
    const socket = await open(t, url);
    const channel = channels[count % channelCount];
    for (const action of ["subscribe", "unsubscribe", "subscribe"])
      socket.send(JSON.stringify({ action, data: { channel, options: { history: 5 } } }));
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (count % 2 === 0) socket.close();
    else socket.terminate();
  }
  return count;
}

describe("200 connections in 20 channels, each publishing 500 messages while others come and go", () => {
  it("see one order in each channel, nothing lost and nothing doubled", { timeout: 120_000 }, async (t) => {
    const gateway = await startTestGateway(t, { log: { level: "info" } });
    const publishers: Publisher[] = [];
    for (let i = 0; i < publisherCount; i += 1)
      publishers.push(new Publisher(await open(t, gateway.url), channels[i % channelCount]!));
    await Promise.all(publishers.map((publisher) => publisher.subscribe()));
    let isOver = false;
    const churning = Array.from({ length: churnersCount }, () => churn(t, gateway.url, () => isOver));
    await Promise.all(publishers.map((publisher, i) => publisher.publish(String(i))));
    await Promise.all(publishers.map((publisher) => publisher.settled()));
    isOver = true;
    const churned = (await Promise.all(churning)).reduce((sum, count) => sum + count, 0);
    assert.ok(churned > 2 * churnersCount, `others came and went meanwhile, ${churned} of them`);
    for (let i = 0; i < channelCount; i += 1) {
      const members = publishers.filter((_, at) => at % channelCount === i);
      const acknowledged = members.flatMap((member) => member.acknowledged);
      assert.equal(acknowledged.length, (publisherCount / channelCount) * messagesEach);
      assert.deepEqual(
        faultsOf(
          acknowledged,
          members.map((member) => member.delivered),
        ),
        [],
      );
    }
    assert.equal(await gateway.metric("tidegate_publications_total"), publisherCount * messagesEach);
  });

  it("are counted by a checker that finds one message lost, doubled, swapped or made up", () => {
    const whole = ["0:0", "1:0", "0:1"];
    assert.deepEqual(faultsOf(whole, [whole, whole]), []);
    assert.deepEqual(faultsOf(whole, [whole, ["0:0", "1:0"]]), ["subscriber 1: 1 lost"]);
    assert.deepEqual(faultsOf(whole, [whole, [...whole, "0:1"]]), [
      "subscriber 1: 1 doubled",
      "subscriber 1: another order",
    ]);
    assert.deepEqual(faultsOf(whole, [whole, ["1:0", "0:0", "0:1"]]), ["subscriber 1: another order"]);
    assert.deepEqual(faultsOf(whole.slice(0, 2), [whole]), ["subscriber 0: 1 that nobody published"]);
  });
});
