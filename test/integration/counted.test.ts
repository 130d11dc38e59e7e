/**
 * 200 connections in 20 channels, each publishing 500 messages and reading its channel, while some are cut off again and
 * again and others come and go: 100,000 publications and 1,000,000 deliveries, every one of them noted and counted.
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { Visitors } from "../faults/visitors.ts";
import { assertNothingLost } from "../support/account.ts";
import { randomOf } from "../support/random.ts";
import { Traffic } from "../support/traffic.ts";
import { startGatewayProcess } from "./gateway-process.ts";

const size = { clients: 200, channels: 20, publishersPerChannel: 10 };
const messages = 100_000;
const cutsPerSecond = 40;
const visits = 3000;
const waitMs = 100_000;

it("1,000,000 deliveries are complete, single and in one order, while some recover and others come and go", async (t) => {
  const { url, metric } = await startGatewayProcess(t, {
    channels: { "chat.>": { history: { size: messages / size.channels, seconds: 600 } } },
    sendQueueBytesMax: 16 * 1024 * 1024, // half of it holds the whole history of a channel
  });
  const random = randomOf(1);
  const traffic = new Traffic(t, [url], size, { window: 16, keys: true });
  await traffic.subscribed();
  traffic.publish(messages);
  const cutting = setInterval(() => {
    traffic.clients[Math.floor(random() * size.clients)]!.drop();
  }, 1000 / cutsPerSecond);
  t.after(() => clearInterval(cutting));
  const channels = [...new Set(traffic.clients.map(({ channel }) => channel))];
  const visitors = new Visitors(t, [url], { connections: 20, channels, random });
  await Promise.all([visitors.visit(visits), traffic.moreAcknowledged(messages * 0.9, waitMs)]);
  clearInterval(cutting);
  await traffic.settled(waitMs);

  const { acknowledged, delivered } = assertNothingLost(traffic.clients);
  assert.equal(acknowledged, messages + size.channels); // and the last word in each channel
  assert.equal(delivered, acknowledged * (size.clients / size.channels));
  assert.equal(traffic.sum("breaks"), 0, "every recovery was whole");
  assert.deepEqual(visitors.wrongs(traffic.clients).slice(0, 5), []);
  assert.equal(await metric("tidegate_publications_total"), acknowledged);
  // It all really happened: messages were recovered, some were sent again and known, visitors saw something.
  const counts = [traffic.sum("replayed"), traffic.resent, await metric("tidegate_duplicates_total"), visitors.seen];
  t.diagnostic(`replayed, sent again, known by their keys, seen by visitors: ${counts.join(", ")}`);
  for (const count of counts) assert.equal(count > 100, true, `${counts}`);
});
