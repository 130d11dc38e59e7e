/**
 * The load process of `rooms` and `msgpack`: connections in rooms of ten that all publish, each with a few messages in
 * flight. It takes turns: read everything, publish what has become free, rest. So each reading and writing moves several
 * frames, and the load needs less of its core than the server of its own. Prints `RoomsResult`.
 */
import { openClients } from "./client.ts";
import { type CpuShares, watchCpu } from "./cpu-time.ts";
import { counterFor } from "./frame-counter.ts";
import { answer, readJob, rest, type ServerAddress, sleep, targetOf } from "./job.ts";
import { publications } from "./publisher.ts";

export interface RoomsJob {
  readonly server: ServerAddress;
  readonly rooms: number;
  readonly membersPerRoom: number;
  /** Messages that a connection may have in flight. */
  readonly inFlight: number;
  readonly warmUpMs: number;
  readonly measuredMs: number;
}

export interface RoomsResult {
  readonly messagesPerSecond: number;
  readonly deliveriesPerSecond: number;
  readonly cpu: CpuShares;
  readonly lost: number;
}

const restMs = 1;

const { server, rooms, membersPerRoom, inFlight, warmUpMs, measuredMs } = readJob<RoomsJob>();
const target = targetOf(server);
const counters = Array.from({ length: rooms * membersPerRoom }, () => counterFor(target.dialect));
const roomOf = (index: number): string => `room.${Math.floor(index / membersPerRoom)}`;
const sockets = await openClients(target, counters.length, (index) => ({
  number: index,
  channel: roomOf(index),
  onBytes: (bytes) => counters[index]!.push(bytes),
}));
const batches = counters.map((_, index) => publications(target, roomOf(index), inFlight));
const sent = counters.map(() => 0);
let isPublishing = true;

setImmediate(function turn() {
  if (!isPublishing) return;
  for (const [index, { messages }] of counters.entries()) {
    // What came from all members, divided by them, is what came of its own: nobody is more than `inFlight` ahead.
    const free = Math.min(inFlight, inFlight - (sent[index]! - Math.floor(messages / membersPerRoom)));
    if (free * 2 < inFlight) continue;
    const batch = batches[index]!;
    sockets[index]!.write(batch.subarray(0, (batch.length / inFlight) * free));
    sent[index]! += free;
  }
  rest(restMs);
  setImmediate(turn);
});

const delivered = (): number => counters.reduce((sum, { messages }) => sum + messages, 0);
await sleep(warmUpMs);
const read = watchCpu(server.pid, [process.pid]);
const before = delivered();
await sleep(measuredMs);
const cpu = read();
const deliveriesPerSecond = (delivered() - before) / cpu.seconds;
isPublishing = false;
const expected = sent.reduce((sum, count) => sum + count * membersPerRoom, 0);
for (let waits = 0; delivered() < expected && waits < 100; waits += 1) await sleep(20);
answer({
  messagesPerSecond: deliveriesPerSecond / membersPerRoom,
  deliveriesPerSecond,
  cpu,
  lost: expected - delivered(),
} satisfies RoomsResult);
process.exit(0);
