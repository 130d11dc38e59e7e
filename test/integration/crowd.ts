/**
 * A program: many clients of `src/client`, each on one channel with history, all of whom publish. It counts what came of
 * it as `ledger.ts` does, so that one process does not have to hold what all clients of a test note.
 *
 * It prints JSON, a line each: `{"ready": clients}` once all are subscribed and the load is on, and at SIGUSR2, when the
 * load has ended and everybody has had the last word of its channel, its `CrowdReport`. Then it ends.
 */
import { setTimeout } from "node:timers/promises";
import WebSocket from "ws";
import { createClient } from "../../src/client/index.ts";
import { until } from "../support/child.ts";
import { type Account, account, type Participant } from "../support/ledger.ts";

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
  /** Messages that came by recovery, not live. */
  readonly replayed: number;
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
  replayed: number;
}

/** One client and what it noted. */
class Visitor implements Participant {
  readonly name: string;
  readonly channel: string;
  readonly received: { text: string; epoch: string }[] = [];
  readonly breaks: number[] = [];
  readonly acknowledged = new Set<string>();
  readonly moves: Move[] = [];
  readonly ready: Promise<void>;
  readonly publish: () => void;
  readonly leave: () => void;
  waiting = 0;

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
      report.ends[code] = (report.ends[code] ?? 0) + 1;
    });
    client.on("error", ({ code, message }) => {
      if (code !== "connection") report.errors.push(`${name}: ${code}: ${message}`); // ends are counted by their codes
    });
    const room = client.subscribe(channel, ({ message, epoch, replayed }) => {
      if (replayed) report.replayed += 1;
      this.received.push({ text: String(message), epoch: String(epoch) });
    });
    room.on("gap", () => this.breaks.push(this.received.length));
    this.ready = room.ready;
    let count = 0;
    this.publish = () => {
      count += 1;
      const text = `${name}:${count}`;
      this.waiting += 1;
      room.publish(text, { key: text }).then(
        () => {
          this.waiting -= 1;
          this.acknowledged.add(text);
        },
        () => {}, // told as an error
      );
    };
    this.leave = () => {
      isLeaving = true;
      client.disconnect();
    };
  }

  get last(): string | undefined {
    return this.received.at(-1)?.text;
  }
}

async function run({ url, name, clients, clientsPerChannel, publicationsPerSecond }: CrowdOptions): Promise<void> {
  const noted: Noted = { errors: [], ends: {}, replayed: 0 };
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
    () => visitors.every(({ waiting }) => waiting === 0),
    () => `${visitors.filter(({ waiting }) => waiting > 0).length} clients wait for acknowledgements`,
  );
  const speakers = visitors.filter((_, i) => i % clientsPerChannel === 0);
  for (const speaker of speakers) speaker.publish();
  const lastWords = (): Map<string, string> =>
    new Map(speakers.map(({ channel, acknowledged }) => [channel, [...acknowledged].at(-1)!]));
  await until(
    () => speakers.every(({ waiting }) => waiting === 0),
    () => "the last words are not acknowledged",
  );
  const words = lastWords();
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
    account: account(visitors, visitors),
    moves: visitors.flatMap(({ moves }) => moves),
    clientsByMoves,
    ...noted,
    stillMs,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
}

await run(JSON.parse(process.argv[2]!) as CrowdOptions);
