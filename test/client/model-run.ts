/** One run of the model: a program that uses the client while things go wrong, and what it must have seen in the end. */
import assert from "node:assert/strict";
import { type Client, createClient, type TidegateError } from "../../src/client/index.ts";
import { type Entry, ModelGateway } from "./model-gateway.ts";
import { ModelSocket, World } from "./world.ts";

/** What a listener was told, in order: the number of an entry, or of a gap. */
interface Seen {
  readonly channel: string;
  /** Entries before its subscription; undefined where it joined one that was there. */
  from: number | undefined;
  readonly events: (number | "gap")[];
  leave(): void;
  isLeft: boolean;
}

export interface RunResult {
  /** How many of each thing happened, so that a test can say that they did. */
  readonly counts: Record<string, number>;
}

const channels = ["chat.a", "chat.b", "plain"];
const lastMs = 45_000;

/** Throws where the client broke a promise. `isFaultless`: nothing goes wrong, and then nothing may be told as wrong. */
export async function runModel(seed: number, isFaultless = false): Promise<RunResult> {
  const world = new World(seed);
  const gateway = new ModelGateway(world);
  const counts: Record<string, number> = {};
  const count = (what: string): void => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  let isCalm = isFaultless;
  const client: Client = createClient("ws://model", {
    WebSocket: class extends ModelSocket {
      constructor(_url: string, protocols: string[]) {
        super(world, protocols, gateway.accept);
      }
    },
    surroundings: world.surroundings,
    token: async () => {
      count("tokens");
      if (!isCalm && world.chance(0.05)) throw new Error("no token now");
      return String(world.nowMs + (isCalm ? 1e9 : 8000 + world.upTo(60_000)));
    },
  });
  const all: Seen[] = [];
  const doubles = new Map<number, number>();
  client.on("message", ({ time }) => void doubles.set(time, (doubles.get(time) ?? 0) + 1));
  client.on("gap", () => count("gaps"));
  const listen = (channel: string, history: number): void => {
    const held = client.subscribe(channel, ({ time }) => void seen.events.push(time), { history });
    const seen: Seen = {
      channel,
      from: undefined,
      events: [],
      isLeft: false,
      leave: () => {
        seen.isLeft = true;
        held.unsubscribe();
      },
    };
    const off = held.on("subscribed", (reply) => {
      off();
      seen.from = (reply as { at?: number }).at;
    });
    held.on("gap", () => void seen.events.push("gap"));
    all.push(seen);
  };
  const published: { value: string; channel: string; outcome?: "acknowledged" | string }[] = [];
  const publish = (channel: string): void => {
    const own: (typeof published)[number] = { value: `own ${published.length}`, channel };
    published.push(own);
    client.publish(channel, own.value).then(
      () => {
        own.outcome = "acknowledged";
      },
      ({ code }: TidegateError) => {
        own.outcome = code;
      },
    );
  };
  for (const channel of channels) listen(channel, 0);

  const any = <T>(list: readonly T[]): T => list[world.upTo(list.length)]!;
  const use: readonly (() => void)[] = [
    () => publish(any(channels)),
    () => publish(any(channels)),
    () => gateway.publish(any(channels), `other ${world.nowMs}`),
    () => {
      for (let i = world.upTo(12); i > 0; i -= 1) gateway.publish(any(channels), `burst ${i}`);
    },
    () => {
      for (let i = world.upTo(8); i > 0; i -= 1) publish(any(channels));
    },
    () => listen(any(channels), world.upTo(2) * 5),
    () =>
      all
        .slice(channels.length)
        .find(({ isLeft }) => !isLeft)
        ?.leave(),
  ];
  const faults: Readonly<Record<string, () => void>> = {
    cut: () => gateway.fault("cut"),
    dead: () => gateway.fault("dead"),
    slow: () => gateway.fault("slow"),
    drain: () => gateway.fault("drain"),
    restart: () => gateway.restart(world.chance(0.2) ? 400_000 : world.upTo(8000)),
    strict: () => gateway.beStrict(world.upTo(2500)),
    unavailable: () => gateway.beUnavailable(world.upTo(5000)),
    loss: () => void (world.chance(0.3) && gateway.loseLog()),
    network: () => world.tellNetwork(world.chance(0.5)),
    leaving: () => {
      client.disconnect();
      world.in(world.upTo(3000), () => client.connect());
    },
  };
  const step = (): void => {
    if (world.nowMs > lastMs) return;
    any(use)();
    if (!isFaultless && world.chance(0.2)) {
      const [name, fault] = any(Object.entries(faults));
      count(name);
      fault();
    }
    world.in(world.upTo(1200), step);
  };
  world.in(0, step);
  await world.run(lastMs);

  isCalm = true;
  client.connect();
  await world.run(Math.max(world.nowMs, gateway.downUntilMs) + 5000); // by then everybody knows of the last fault
  const isQuiet = (): boolean =>
    client.state === "connected" && published.every(({ outcome }) => outcome !== undefined);
  await world.run(world.nowMs + 1_000_000, isQuiet);
  assert.ok(
    isQuiet(),
    `it never came to rest: ${client.state}, ${JSON.stringify(published.filter((own) => !own.outcome))}`,
  );
  await world.run(world.nowMs + 35_000);
  for (const channel of channels) gateway.publish(channel, "the last");
  await world.run(world.nowMs + 35_000);
  assert.deepEqual(gateway.subscriptions, channels, "the gateway knows of each channel once");
  client.disconnect();

  for (const seen of all) checkSeen(seen, gateway.entries);
  for (const [number, times] of doubles) assert.equal(times, 1, `entry ${number} was told ${times} times`);
  for (const own of published) checkPublished(own, gateway);
  count("runs");
  counts.losses = gateway.losses;
  counts.acknowledged = published.filter(({ outcome }) => outcome === "acknowledged").length;
  counts.unknown = published.filter(({ outcome }) => outcome === "outcome_unknown").length;
  counts.delivered = doubles.size;
  counts.arrays = world.arrays;
  if (isFaultless) assert.deepEqual([counts.gaps, client.counters.errors, counts.unknown], [undefined, 0, 0]);
  return { counts };
}

/** Each entry once and in order; where one is missing, a gap was told in its place. */
function checkSeen({ channel, from, events, isLeft }: Seen, entries: readonly Entry[]): void {
  const own = entries.filter((entry) => entry.channel === channel).map(({ number }) => number);
  let last = from;
  let isGap = false;
  for (const event of events) {
    if (event === "gap") {
      isGap = true;
      continue;
    }
    if (last !== undefined && (event > last || event !== events.find((other) => other !== "gap"))) {
      assert.ok(event > last, `${channel}: ${event} came after ${last}: ${events}`);
      const missing = own.filter((number) => number > last! && number < event);
      assert.ok(
        isGap || missing.length === 0,
        `${channel}: ${missing} were missed before ${event}, and no gap was told: ${events}`,
      );
    }
    last = event;
    isGap = false;
  }
  if (!isLeft) assert.equal(last, own.at(-1), `${channel}: the last message came to everybody: ${events}`);
}

function checkPublished(
  { value, channel, outcome }: { value: string; channel: string; outcome?: string },
  gateway: ModelGateway,
): void {
  const times = gateway.entries.filter((entry) => entry.value === value && entry.channel === channel).length;
  const allowed = ["acknowledged", "outcome_unknown", "disconnected"];
  assert.ok(allowed.includes(outcome ?? ""), `"${value}": ${outcome}`);
  if (outcome === "acknowledged") assert.ok(times >= 1, `"${value}" was acknowledged, and is not in the log`);
  assert.ok(times <= 1 + gateway.losses, `"${value}" is in the log ${times} times`);
}
