/** What becomes of events when a receiver fails, hangs, goes away, asks for patience, or refuses; without Redis. */
import assert from "node:assert/strict";
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { describe, it, type TestContext } from "node:test";
import { until } from "../support/child.ts";
import { connect, type TestClient } from "../support/client.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { startReceiver, type TestReceiver, webhookFor, webhookSecret } from "./receiver.ts";

const channel = "chat.room";

interface Stage {
  readonly receiver: TestReceiver;
  readonly gateway: TestGateway;
  /** Publishes the next messages, and resolves once they are acknowledged. */
  publish(count: number): Promise<void>;
  /** Resolves once every message published so far was taken, each once, in order. */
  complete(): Promise<void>;
}

async function stage(t: TestContext, webhook: object = {}, limits: object = {}): Promise<Stage> {
  const receiver = await startReceiver(t);
  const options = { events: ["message"], timeoutMs: 10_000, ...webhook };
  const gateway = await startTestGateway(t, {
    webhooks: [webhookFor(receiver, options)],
    webhookLimits: { retryMaxSeconds: 1, ...limits },
  });
  const client: TestClient = await connect(t, gateway.url);
  await client.subscribe(channel);
  let published = 0;
  const numbers = (): unknown[] => receiver.events.map(({ frame }) => (frame as { message: unknown }).message);
  return {
    receiver,
    gateway,
    async publish(count) {
      for (let i = 0; i < count; i += 1) client.request("message", { channel, message: published + i });
      published += count;
      await client.settled();
    },
    async complete() {
      await until(
        () => numbers().length >= published,
        () => `${numbers().length} of ${published}`,
      );
      assert.deepEqual(numbers(), [...Array(published).keys()]);
      await until(
        async () => (await gateway.metric("tidegate_webhook_queue_events")) === 0,
        () => "the queue is not empty",
      );
    },
  };
}

const status =
  (code: number, headers: Record<string, string> = {}, body = "") =>
  (response: ServerResponse): void =>
    void response.writeHead(code, headers).end(body);
const hang = (): void => {};

describe("A webhook's delivery", { concurrency: true }, () => {
  it("is one request for the events of a moment, at most batchMax, with an id and a time", async (t) => {
    const { receiver, publish, complete } = await stage(t, { batchMax: 40 });
    await publish(100);
    await complete();
    const bodies = receiver.requests.map(({ body }) => JSON.parse(body) as { id: string; time: number; events: [] });
    assert.ok(bodies.length <= 50, `${bodies.length} requests`);
    assert.ok(bodies.every(({ events }) => events.length <= 40));
    assert.equal(new Set(bodies.map(({ id }) => id)).size, bodies.length);
    assert.ok(bodies.every(({ time }) => Math.abs(time - Date.now() / 1000) < 60));
    assert.equal(receiver.requests[0]?.headers["content-type"], "application/json");
  });

  it("fails, hangs, is redirected, cut off and away, and loses and doubles nothing", async (t) => {
    const { receiver, gateway, publish, complete } = await stage(t, { timeoutMs: 1000 });
    const take = receiver.answer;
    const faults = [status(500), hang, status(302, { location: "/elsewhere" }), (r: ServerResponse) => r.destroy()];
    let requests = 0;
    receiver.answer = (response, events) => {
      const fault = faults[requests % 5];
      requests += 1;
      if (fault === undefined) take(response, events);
      else fault(response);
    };
    await publish(10);
    await complete();
    const batches = requests / 5;
    assert.ok(Number.isInteger(batches), "each batch failed in four ways before it was taken");
    receiver.answer = take;
    await receiver.goAway();
    await publish(10);
    await until(
      async () => (await gateway.metric('tidegate_webhook_deliveries_total{outcome="away"}')) >= 4,
      () => "nobody noticed",
    );
    assert.equal(await gateway.metric("tidegate_webhook_queue_events"), 10);
    assert.ok((await gateway.metric("tidegate_webhook_oldest_seconds")) > 0);
    await receiver.comeBack();
    await complete();
    assert.equal(await gateway.metric('tidegate_webhook_deliveries_total{outcome="failed"}'), 3 * batches);
    assert.equal(await gateway.metric("tidegate_webhook_delivered_events_total"), 20);
    const lines = gateway.logLines.map(({ msg }) => msg);
    assert.equal(lines.filter((line) => line === "webhook failed: its events wait").length, batches + 1);
    assert.equal(lines.filter((line) => line === "webhook is back: its events are sent").length, batches + 1);
  });

  it("takes a large answer, or one that never ends, for what its status says", async (t) => {
    const { receiver, publish, complete } = await stage(t, { timeoutMs: 500 });
    receiver.answer = (response) => void response.end("x".repeat(1_000_000));
    await publish(3);
    await complete();
    let endless: ServerResponse | undefined;
    receiver.answer = (response, events) => {
      response.writeHead(200).write("well");
      receiver.events.push(...events);
      endless ??= response;
    };
    await publish(3);
    await complete();
    await until(
      () => endless?.closed === true,
      () => "its connection outlives timeoutMs",
    );
  });

  it("is sent again where the answer would change the protocol, which is no answer", async (t) => {
    const { receiver, gateway, publish, complete } = await stage(t);
    const take = receiver.answer;
    receiver.answer = (response) => {
      receiver.answer = take;
      status(101, { connection: "Upgrade", upgrade: "h2c" })(response);
    };
    await publish(1);
    await complete();
    assert.equal(await gateway.metric('tidegate_webhook_deliveries_total{outcome="failed"}'), 1);
  });

  it("waits for as long as Retry-After says", async (t) => {
    const { receiver, publish, complete } = await stage(t);
    const take = receiver.answer;
    let askedMs = 0;
    receiver.answer = (response, events) => {
      if (askedMs === 0) {
        askedMs = performance.now();
        return status(429, { "retry-after": "2" })(response);
      }
      assert.ok(performance.now() - askedMs >= 1990, "not before");
      return take(response, events);
    };
    await publish(1);
    await complete();
  });

  it("gives up what is refused at once, and goes on with what follows", async (t) => {
    const { receiver, gateway, publish } = await stage(t);
    const take = receiver.answer;
    for (const code of [400, 410, 413, 422]) {
      receiver.answer = status(code);
      const before = receiver.requests.length;
      await publish(2);
      await until(
        () => receiver.requests.length > before,
        () => "no request",
      );
      receiver.answer = take;
    }
    await publish(1);
    await receiver.event({ event: "message" });
    await until(
      async () => (await gateway.metric("tidegate_webhook_dead_letters_total")) === 8 - (receiver.events.length - 1),
      () => "not all are dead letters",
    );
    assert.equal(await gateway.metric("tidegate_webhook_queue_events"), 0);
  });

  it("gives up a batch that fails attemptsMax times, but waits for a receiver that is away", async (t) => {
    const { receiver, gateway, publish } = await stage(t, {}, { attemptsMax: 2 });
    const take = receiver.answer;
    let requests = 0;
    receiver.answer = (response) => {
      requests += 1;
      status(requests <= 3 ? 503 : 500)(response);
    };
    await publish(1);
    await until(
      async () => (await gateway.metric("tidegate_webhook_dead_letters_total")) === 1,
      () => "no dead letter",
    );
    assert.equal(requests, 5, "three times away, twice failed");
    receiver.answer = take;
    await publish(1);
    await receiver.event({ event: "message" });
  });

  it("gives up an event that has waited for maxAgeSeconds", async (t) => {
    const { receiver, gateway, publish } = await stage(t, {}, { maxAgeSeconds: 1 });
    const take = receiver.answer;
    receiver.answer = status(503);
    await publish(2);
    await until(
      async () => (await gateway.metric("tidegate_webhook_dead_letters_total")) === 2,
      () => "no dead letters",
    );
    receiver.answer = take;
    await publish(1);
    assert.equal((await receiver.event({ event: "message" })).channel, channel);
    assert.equal(receiver.events.length, 1);
  });

  it("drops what finds no room, counts it and says so once; what was there stays", async (t) => {
    const { receiver, gateway, publish } = await stage(t, {}, { queueMax: 5 });
    const take = receiver.answer;
    receiver.answer = status(503);
    await publish(100);
    assert.equal(await gateway.metric("tidegate_webhook_queue_events"), 5);
    assert.equal(await gateway.metric("tidegate_webhook_dropped_events_total"), 95);
    receiver.answer = take;
    await until(
      () => receiver.events.length === 5,
      () => `${receiver.events.length} came`,
    );
    assert.equal(gateway.logLines.filter(({ msg }) => msg === "webhook queue is full: events are dropped").length, 1);
  });

  it("does not hold the sockets up while the receiver hangs", async (t) => {
    const { receiver, publish } = await stage(t, { timeoutMs: 60_000 });
    receiver.answer = hang;
    await publish(2000); // all are acknowledged
    assert.equal(receiver.requests.length <= 1, true);
  });

  it("sends what waits before the process ends, and no longer than a few seconds", async (t) => {
    const { receiver, gateway, publish } = await stage(t, { events: ["message", "disconnected"] });
    await publish(50);
    await gateway.stop();
    assert.equal(receiver.idsOf("message").size, 50);
    assert.equal(receiver.idsOf("disconnected").size, 1);
    const other = await stage(t, { timeoutMs: 60_000 });
    other.receiver.answer = hang;
    await other.publish(1);
    await other.gateway.stop();
    const lost = "webhook events are lost: their receiver did not take them";
    assert.equal(other.gateway.logLines.filter(({ msg }) => msg === lost).length, 1);
  });

  it("shows no secret in the log: neither its own nor what its URL holds", async (t) => {
    const receiver = await startReceiver(t);
    const url = receiver.url.replace("http://", "http://user:hunter2@");
    const settings = webhookFor(receiver, { url: `${url}?key=hunter3`, events: ["connected"] });
    const gateway = await startTestGateway(t, { webhooks: [settings], webhookLimits: { attemptsMax: 1 } });
    receiver.answer = status(500);
    await connect(t, gateway.url);
    await until(
      async () => (await gateway.metric("tidegate_webhook_dead_letters_total")) === 1,
      () => "no dead letter",
    );
    assert.match(receiver.requests[0]?.headers.authorization ?? "", /^Basic /);
    assert.doesNotMatch(JSON.stringify(gateway.logLines), /hunter|a secret of webhooks/);
  });
});

describe("The README's verification of a webhook", () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const [, code = ""] = /```js\n(\/\/ verifies a webhook[\s\S]*?)```/.exec(readme) ?? [];

  it("believes what the gateway sent, and nothing else", async (t) => {
    assert.match(code, /function isGenuine\(/);
    const body = code.replace(/^import .*$/gm, "");
    const isGenuine = new Function("createHmac", "timingSafeEqual", `${body}\nreturn isGenuine;`)(
      createHmac,
      timingSafeEqual,
    ) as (header: string | undefined, body: string, secret: string) => boolean;
    const { receiver, publish, complete } = await stage(t);
    await publish(1);
    await complete();
    const { headers, body: sent } = receiver.requests[0]!;
    const header = headers["tidegate-signature"] as string;
    assert.equal(isGenuine(header, sent, webhookSecret), true);
    assert.equal(isGenuine(header, `${sent} `, webhookSecret), false);
    assert.equal(isGenuine(header, sent, `${webhookSecret}x`), false);
    assert.equal(isGenuine(header.replace(/t=\d+/, "t=1000000000"), sent, webhookSecret), false);
    const old = `t=1000000000,v1=${createHmac("sha256", webhookSecret).update(`1000000000.${sent}`).digest("hex")}`;
    assert.equal(isGenuine(old, sent, webhookSecret), false, "a replay");
    for (const nonsense of [undefined, "", "t=1", "t=x,v1=y", `${header.slice(0, -1)}`])
      assert.equal(isGenuine(nonsense, sent, webhookSecret), false);
  });
});
