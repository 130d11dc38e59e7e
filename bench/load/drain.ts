/**
 * A load process: subscribers of one channel that only count. It rests between its readings, so that each finds many
 * frames, and yields the core to whoever publishes. Prints `true` once all are open; for each line that it is sent it waits
 * until nothing more comes, and prints how many messages came since it was opened.
 */
import { setPriority } from "node:os";
import { openClients } from "./client.ts";
import { counterFor } from "./frame-counter.ts";
import { answer, readJob, rest, type ServerAddress, sleep, targetOf } from "./job.ts";

export interface DrainJob {
  readonly server: ServerAddress;
  readonly count: number;
  readonly channel: string;
  /** The first client's number. */
  readonly from: number;
}

/**
 * Long enough that a reading finds several frames. With 10 ms the small segments of a server that sends each message by
 * itself overflow the kernel's receive queues, and what is dropped comes again only after 200 ms.
 */
const restMs = 3;
const quietMs = 300;
const lower = 10;

const { server, count, channel, from } = readJob<DrainJob>();
const target = targetOf(server);
const counters = Array.from({ length: count }, () => counterFor(target.dialect));
await openClients(target, count, (index) => ({
  number: from + index,
  channel,
  onBytes: (bytes) => counters[index]!.push(bytes),
}));
setPriority(lower);
answer(true);

const total = (): number => counters.reduce((sum, { messages }) => sum + messages, 0);
process.stdin.on("data", async () => {
  for (let before = -1; before !== total(); await sleep(quietMs)) before = total();
  answer(total());
});
process.stdin.on("end", () => process.exit(0));
setImmediate(function turn() {
  rest(restMs);
  setImmediate(turn);
});
