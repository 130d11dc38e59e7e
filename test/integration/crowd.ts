/**
 * A program: many clients of `src/client`, each on one channel with history, all of whom publish. It counts what came of
 * it as `account.ts` does, so that one process does not have to hold what all clients of a test note.
 *
 * It prints JSON, a line each: `{"ready": clients}` once all are subscribed and the load is on, and at SIGUSR2, when the
 * load has ended and everybody has had the last word of its channel, its `CrowdReport`. Then it ends.
 */
import { setTimeout } from "node:timers/promises";
import WebSocket from "ws";
import { createClient } from "../../src/client/index.ts";
import { type Account, account, type Participant } from "../support/account.ts";
import { until } from "../support/child.ts";
import type { CountedEvent, Position } from "../support/counting-options.ts";

export interface CrowdOptions {
  readonly url: string;
  /** Begins the names of its channels and clients. */
  readonly name: string;
  readonly clients: number;
  readonly clientsPerChannel: number;
  readonly publicationsPerSecond: number;
}

/** A client that was told to come back elsewhere. */
export interface Move {
  /** Its connection id until then. */
  readonly connection: number;
  readonly retryInMs: number;
  /** When it came: Unix milliseconds. */
  readonly atMs: number;
  /** From the moment it was told to its next attempt to connect. */
  readonly waitedMs: number;
}

export interface CrowdReport {
  readonly account: Account;
  readonly moves: readonly Move[];
  /** How often each client moved: by count, the clients. */
  readonly clientsByMoves: Readonly<Record<number, number>>;
  /** How connections ended: by close code. */
  readonly ends: Readonly<Record<number, number>>;
  /** Attempts to connect that failed, and whatever else a client told as an error. */
  readonly errors: readonly string[];
  /** The longest time for which this process stood still, in milliseconds. */
  readonly stillMs: number;
}

const rampPerStep = 25;
const stepMs = 20;

/** What all clients note together. */
interface Noted {
  readonly errors: string[];
  readonly ends: Record<number, number>;
}

/** One client and what it noted. */
class Visitor implements Participant {
  readonly name: string;
  readonly channel: string;
  readonly events: CountedEvent[] = [];
  readonly faults: string[] = [];
  readonly acknowledged = new Map<number, Position>();
  readonly unknown = new Set<number>(); // stays empty: the client gives up nothing
  readonly doubtful = new Set<number>();
  readonly start = undefined; // nobody publishes before all are subscribed
  messages = 0;
  replayed = 0;
  readonly moves: Move[] = [];
  readonly ready: Promise<void>;
  readonly publish: () => void;
  readonly leave: () => void;
  readonly waiting = new Set<number>(); // published, not acknowledged
  last: string | undefined;

  constructor(url: string, channel: string, name: string, report: Noted) {
    this.name = name;
    this.channel = channel;
    let connection = 0;
    let told: { atMs: number; retryInMs: number } | undefined;
    const attempted = (): void => {
      if (told === undefined) return;
      const { retryInMs, atMs } = told;
      this.moves.push({ connection, retryInMs, atMs: Date.now(), waitedMs: performance.now() - atMs });
      told = undefined;
    };
    class NotedSocket extends WebSocket {
      constructor(address: string, protocols: string[]) {
        attempted();
        super(address, protocols);
        this.on("error", (error) => report.errors.push(`${name} cannot connect: ${error.message}`));
      }
    }
    const client = createClient(url, { WebSocket: NotedSocket });
    client.on("welcome", ({ connection_id }) => {
      connection = connection_id;
    });
    client.on("frame", ({ action, retry_in_ms }) => {
      if (action === "reconnect") told = { atMs: performance.now(), retryInMs: Number(retry_in_ms) };
    });
    let isLeaving = false;
    client.on("close", ({ code }) => {
      if (isLeaving) return;
      for (const n of this.waiting) this.doubtful.add(n);
      report.ends[code] = (report.ends[code] ?? 0) + 1;
    });
    client.on("error", ({ code, message }) => {
      if (code !== "connection") report.errors.push(`${name}: ${code}: ${message}`); // ends are counted by their codes
    });
    let place: Position | undefined;
    const room = client.subscribe(channel, ({ message, offset = "", epoch = "", replayed }) => {
      if (place?.epoch === epoch && offset <= place.offset) this.faults.push(`${offset} after ${place.offset}`);
      place = { offset, epoch };
      this.last = String(message);
      const [publisher = "", n] = this.last.split(":");
      this.events.push({ publisher, n: Number(n), ...place });
      this.messages += 1;
      if (replayed) this.replayed += 1;
    });
    room.on("gap", () => this.events.push("break"));
    this.ready = room.ready;
    let count = 0;
    this.publish = () => {
      count += 1;
      const n = count;
      const text = `${name}:${n}`;
      this.waiting.add(n);
      room.publish(text, { key: text }).then(
        ({ offset = "", epoch = "" }) => {
          this.waiting.delete(n);
          this.acknowledged.set(n, { offset, epoch });
        },
        () => {}, // told as an error
      );
    };
    this.leave = () => {
      isLeaving = true;
      client.disconnect();
    };
  }
}

async function run({ url, name, clients, clientsPerChannel, publicationsPerSecond }: CrowdOptions): Promise<void> {
  const noted: Noted = { errors: [], ends: {} };
  const visitors: Visitor[] = [];
  for (let i = 0; i < clients; i += 1) {
    visitors.push(new Visitor(url, `chat.${name}.${Math.floor(i / clientsPerChannel)}`, `${name}-${i}`, noted));
    if (i % rampPerStep === 0) await setTimeout(stepMs);
  }
  await Promise.all(visitors.map(({ ready }) => ready));

  let next = 0;
  let stillMs = 0;
  let beatMs = performance.now();
  let owed = 0;
  const load = setInterval(() => {
    const passedMs = performance.now() - beatMs;
    beatMs += passedMs;
    stillMs = Math.max(stillMs, passedMs - stepMs);
    owed += (Math.min(passedMs, 10 * stepMs) * publicationsPerSecond) / 1000; // no burst after a standstill
    for (; owed >= 1; owed -= 1) {
      visitors[next % clients]!.publish();
      next += 1;
    }
  }, stepMs);
  process.stdout.write(`${JSON.stringify({ ready: clients })}\n`);
  await new Promise((resolve) => process.once("SIGUSR2", resolve));
  clearInterval(load);

  await until(
    () => visitors.every(({ waiting }) => waiting.size === 0),
    () => `${visitors.filter(({ waiting }) => waiting.size > 0).length} clients wait for acknowledgements`,
  );
  const speakers = visitors.filter((_, i) => i % clientsPerChannel === 0);
  for (const speaker of speakers) speaker.publish();
  await until(
    () => speakers.every(({ waiting }) => waiting.size === 0),
    () => "the last words are not acknowledged",
  );
  const words = new Map(speakers.map(({ channel, name, acknowledged }) => [channel, `${name}:${acknowledged.size}`]));
  const deaf = (): Visitor[] => visitors.filter(({ channel, last }) => last !== words.get(channel));
  // What is missing then, the count tells.
  await until(
    () => deaf().length === 0,
    () => "",
  ).catch(() => noted.errors.push(`${deaf().length} clients did not get the last word`));
  for (const visitor of visitors) visitor.leave();

  const clientsByMoves: Record<number, number> = {};
  for (const { moves } of visitors) clientsByMoves[moves.length] = (clientsByMoves[moves.length] ?? 0) + 1;
  const report: CrowdReport = {
    account: account(visitors),
    moves: visitors.flatMap(({ moves }) => moves),
    clientsByMoves,
    ...noted,
    stillMs,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
}

await run(JSON.parse(process.argv[2]!) as CrowdOptions);
