/**
 * The load process of the scenario `bridge`. Arguments: how to publish (`tidegate`, `socket.io` or `pubsub`), the ports of
 * the two gateways, or of Redis, seconds to warm up, seconds to measure. Prints one line of JSON: `BridgeRun`.
 *
 * Two phases. Saturation: a fixed number of messages is always under way; what arrives in a second is the figure. Then a
 * rate: each message has the time at which it is due, and its latency counts from then, sent late or not.
 */
import { setImmediate } from "node:timers/promises";
import { openPubSub } from "../peers/redis-pubsub.ts";
import { type Bridge, openBridge } from "./bridge-clients.ts";
import { dialects } from "./dialects.ts";

export interface BridgeRun {
  readonly messagesPerSecond: number;
  /** At `ratePerSecond`; milliseconds from the time a message was due until it arrived. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the messages of that phase, how many did not arrive within 5 s of its end. */
  readonly lost: number;
}

const ratePerSecond = 10_000;
const messageBytes = 200;
const underWayMax = 4096;
const channel = "bench.bridge";
/** After this long without a message whatever is under way is given up as lost. */
const stallMs = 1000;
const drainMs = 5000;

const [kind = "", firstPort, secondPort, warmUp, measured] = process.argv.slice(2);
const [warmUpMs, measuredMs] = [Number(warmUp) * 1000, Number(measured) * 1000];
const padding = "x".repeat(messageBytes - 10);
const textOf = (number: number): string => String(number).padStart(10, "0") + padding;

let received = 0;
let arrived: (number: number) => void = () => {};
const onMessage = (number: number): void => {
  received += 1;
  arrived(number);
};

const bridge = await open();
const messagesPerSecond = await saturate(bridge);
process.stdout.write(`${JSON.stringify({ messagesPerSecond, ...(await pace(bridge)) } satisfies BridgeRun)}\n`);
process.exit(0);

async function open(): Promise<Bridge> {
  if (kind === "pubsub") return openPubSub(Number(firstPort), channel, (text) => onMessage(Number(text.slice(0, 10))));
  const dialect = dialects[kind]!;
  return openBridge(dialect, [Number(firstPort), Number(secondPort)], channel, onMessage);
}

async function saturate({ publish, flush }: Bridge): Promise<number> {
  let sent = 0;
  received = 0;
  const run = async (milliseconds: number): Promise<number> => {
    const [from, startedMs] = [received, performance.now()];
    let heardMs = startedMs;
    let heard = received;
    while (performance.now() - startedMs < milliseconds) {
      for (; sent - received < underWayMax; sent += 1) publish(textOf(sent));
      flush();
      await setImmediate();
      if (received !== heard) [heard, heardMs] = [received, performance.now()];
      if (performance.now() - heardMs > stallMs) sent = received; // what was lost on the way is replaced
    }
    return ((received - from) * 1000) / (performance.now() - startedMs);
  };
  await run(warmUpMs);
  const perSecond = await run(measuredMs);
  const endMs = performance.now() + drainMs;
  while (received < sent && performance.now() < endMs) await setImmediate();
  return perSecond;
}

async function pace({ publish, flush }: Bridge): Promise<Omit<BridgeRun, "messagesPerSecond">> {
  const warmUpCount = (warmUpMs / 1000) * ratePerSecond;
  const count = warmUpCount + (measuredMs / 1000) * ratePerSecond;
  const latencies = new Float64Array(count).fill(Number.POSITIVE_INFINITY); // [number] ms
  const startMs = performance.now() + 100;
  const dueMs = (number: number): number => startMs + (number * 1000) / ratePerSecond;
  let present = 0;
  arrived = (number) => {
    latencies[number] = performance.now() - dueMs(number);
    present += 1;
  };
  for (let sent = 0; sent < count; ) {
    for (const nowMs = performance.now(); sent < count && dueMs(sent) <= nowMs; sent += 1) publish(textOf(sent));
    flush();
    await setImmediate();
  }
  const endMs = performance.now() + drainMs;
  while (present < count && performance.now() < endMs) await setImmediate();
  const measuredOnes = latencies.subarray(warmUpCount);
  const lost = measuredOnes.filter((latency) => latency === Number.POSITIVE_INFINITY).length;
  const atLeastMs = performance.now() - dueMs(count); // what did not come counts as if it came now
  const sorted = measuredOnes.map((latency) => (Number.isFinite(latency) ? latency : atLeastMs)).sort();
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  return { p50Ms: at(0.5), p99Ms: at(0.99), lost };
}
