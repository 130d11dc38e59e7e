/**
 * The load process of `recover`: one client a channel notes its position and publishes what the others miss; then all
 * others come back at once, and each waits for its answer and all that it missed. Prints `RecoverResult`.
 */
import { openClient, openClients } from "./client.ts";
import { type CpuShares, watchCpu } from "./cpu-time.ts";
import type { Since } from "./dialects.ts";
import { type Counter, counterFor } from "./frame-counter.ts";
import { answer, readJob, type ServerAddress, sleep, targetOf } from "./job.ts";
import { publications } from "./publisher.ts";

export interface RecoverJob {
  readonly server: ServerAddress;
  readonly clients: number;
  readonly channels: number;
  /** Messages that each client missed; 0: clients connect and subscribe, and that is all. */
  readonly missed: number;
}

export interface RecoverResult {
  readonly milliseconds: number;
  readonly cpu: CpuShares;
  /** Clients that were answered and not recovered. */
  readonly unrecovered: number;
}

const atOnce = 4000; // under the kernel's queue of connections that wait to be accepted (net.core.somaxconn)
const settleMs = 200;

const { server, clients, channels, missed } = readJob<RecoverJob>();
const target = targetOf(server);
const channelOf = (index: number): string => `chat.${index % channels}`;

const positions = missed === 0 ? [] : await Promise.all(Array.from({ length: channels }, (_, index) => prepare(index)));
await sleep(settleMs);

const counters: readonly Counter[] = Array.from({ length: clients }, () => counterFor(target.dialect));
let unrecovered = 0;
let complete = 0;
let allComplete: (value?: unknown) => void = () => {};
const done = new Promise((resolve) => {
  allComplete = resolve;
});
const tokens = counters.map((_, index) => target.token(channels + index));
const signed = { ...target, token: (number: number): string => tokens[number - channels]! };
const read = watchCpu(server.pid, [process.pid]);
const startMs = performance.now();
await openClients(
  signed,
  clients,
  (index) => ({
    number: channels + index,
    channel: channelOf(index),
    since: positions[index % channels],
    onSubscribed: (text) => {
      if (missed > 0 && !text.includes('"recovered":true')) unrecovered += 1;
    },
    onBytes: (bytes) => {
      const counter = counters[index]!;
      const before = counter.messages;
      counter.push(bytes);
      if (before < missed && counter.messages >= missed) complete += 1;
      if (complete === clients) allComplete();
    },
  }),
  atOnce,
);
if (missed > 0) await done;
const milliseconds = performance.now() - startMs;
answer({ milliseconds, cpu: read(), unrecovered } satisfies RecoverResult);
process.exit(0);

/** Subscribes, notes the position, publishes `missed` messages, and waits until they have come. */
async function prepare(index: number): Promise<Since> {
  const counter = counterFor(target.dialect);
  let subscribed = "";
  const socket = await openClient(target, {
    number: index,
    channel: channelOf(index),
    onSubscribed: (text) => {
      subscribed = text;
    },
    onBytes: (bytes) => counter.push(bytes),
  });
  socket.write(publications(target, channelOf(index), missed));
  while (counter.messages < missed) await sleep(5);
  const { offset, epoch } = JSON.parse(subscribed) as Since;
  return { offset, epoch };
}
