/**
 * The counting behind "nothing lost": what clients published, against what clients received.
 *
 * The rule: whatever was acknowledged behind a subscriber's beginning and did not arrive must have been announced right
 * there, between the last message of the same publisher before it and the next one after it, by `recovered:false` or by a
 * new epoch. Nothing comes twice; what nobody published does not come; what was given up comes to all or to none; a message
 * has one place, the one that was acknowledged; all subscribers see one order.
 */
import assert from "node:assert/strict";
import type { CountingClient } from "./counting-client.ts";
import type { CountedEvent, Position } from "./counting-options.ts";

export interface Account {
  readonly acknowledged: number;
  /** Those, and what was given up and came to somebody all the same. */
  readonly published: number;
  /** Deliveries that there should have been: of acknowledged messages, and of given up ones that came to somebody. */
  readonly expected: number;
  readonly delivered: number;
  /** Of those, the ones by recovery. */
  readonly recovered: number;
  /** Expected, not delivered, and nobody said so. */
  readonly silentLosses: string[];
  readonly announcedLosses: number;
  readonly duplicates: string[];
  /** Delivered, though nobody published it, or at another place than acknowledged; whatever a client noted. */
  readonly faults: string[];
  /** Clients that saw two messages of an epoch the other way round than the first client of their channel. */
  readonly disagreements: string[];
}

/** A client as far as it is counted. */
export type Participant = Readonly<
  Pick<
    CountingClient,
    | "name"
    | "channel"
    | "events"
    | "faults"
    | "acknowledged"
    | "unknown"
    | "doubtful"
    | "start"
    | "messages"
    | "replayed"
  >
>;

type Counted = { -readonly [K in keyof Account]: Account[K] };
type Message = Exclude<CountedEvent, "break">;

/** What one client published: the place of each number, where one was told. */
interface Published {
  readonly numbers: ReadonlyMap<number, Position | undefined>; // ascending
  readonly doubtful: ReadonlySet<number>;
}

/** Adds up; `clients` are all that were in their channels. Nothing is on its way any more. */
export function account(clients: readonly Participant[]): Account {
  const counted: Counted = {
    acknowledged: sum(clients, ({ acknowledged }) => acknowledged.size),
    published: 0,
    expected: 0,
    delivered: sum(clients, ({ messages }) => messages),
    recovered: sum(clients, ({ replayed }) => replayed),
    silentLosses: [],
    announcedLosses: 0,
    duplicates: [],
    faults: clients.flatMap(({ name, faults }) => faults.map((fault) => `${name}: ${fault}`)),
    disagreements: [],
  };
  for (const channel of new Set(clients.map((client) => client.channel)))
    countChannel(
      counted,
      clients.filter((client) => client.channel === channel),
    );
  return counted;
}

function countChannel(counted: Counted, group: readonly Participant[]): void {
  const seenByAny = new Map<string, Map<number, Position>>();
  for (const { events } of group)
    for (const event of events)
      if (event !== "break") entryOf(seenByAny, event.publisher, newMap<number, Position>).set(event.n, event);
  const published = new Map<string, Published>();
  for (const { name, acknowledged, unknown, doubtful } of group) {
    const arrived = [...(seenByAny.get(name) ?? [])].filter(([n]) => unknown.has(n));
    const numbers = new Map([...acknowledged, ...arrived].sort(([a], [b]) => a - b));
    published.set(name, { numbers, doubtful });
    counted.published += numbers.size;
  }
  const order = new Map<string, number>(); // the first client's
  for (const event of group[0]!.events) if (event !== "break") order.set(nameOf(event), order.size);
  for (const client of group) {
    const seen = countDeliveries(counted, client, published, order);
    for (const [publisher, own] of published) countLosses(counted, client, publisher, own, seen);
  }
}

interface Seen {
  /** By publisher and number: at which event it came. */
  readonly times: Map<string, Map<number, number>>;
  readonly breakTimes: number[];
}

function countDeliveries(
  counted: Counted,
  client: Participant,
  published: ReadonlyMap<string, Published>,
  order: ReadonlyMap<string, number>,
): Seen {
  const seen: Seen = { times: new Map(), breakTimes: [] };
  let place = -1;
  for (const [time, event] of client.events.entries()) {
    if (event === "break") {
      seen.breakTimes.push(time);
      continue;
    }
    const { publisher, n, offset, epoch } = event;
    const text = `${publisher}:${n}`;
    const own = published.get(publisher);
    if (own === undefined || !own.numbers.has(n))
      counted.faults.push(`${client.name} got ${text}, which nobody had acknowledged`);
    const told = own?.numbers.get(n);
    if (told !== undefined && told.epoch === epoch && told.offset !== offset && !own?.doubtful.has(n))
      counted.faults.push(`${client.name} got ${text} at ${offset}, acknowledged at ${told.offset}`);
    const times = entryOf(seen.times, publisher, newMap<number, number>);
    if (times.has(n)) counted.duplicates.push(`${text} to ${client.name}`);
    times.set(n, time);
    const there = order.get(nameOf(event));
    // Lost by the first client, and counted there; or written anew after a break, for those who had not read it.
    if (there === undefined) continue;
    if (there <= place) counted.disagreements.push(`${client.name} at ${text}`);
    place = there;
  }
  return seen;
}

function countLosses(
  counted: Counted,
  client: Participant,
  publisher: string,
  { numbers, doubtful }: Published,
  { times, breakTimes }: Seen,
): void {
  const came = times.get(publisher) ?? new Map<number, number>();
  // What was sent again may stand anywhere behind its place: nothing is told by it of the order.
  const inOrder = [...came].filter(([n]) => !doubtful.has(n)).sort(([a], [b]) => a - b);
  const numbersInOrder = inOrder.map(([n]) => n);
  for (const [n, position] of numbers) {
    if (!isBehind(position, client.start)) continue;
    counted.expected += 1;
    if (came.has(n)) continue;
    const next = firstAbove(numbersInOrder, n);
    const before = inOrder[next - 1]?.[1] ?? -1;
    const until = doubtful.has(n) ? client.events.length : (inOrder[next]?.[1] ?? client.events.length);
    const isAnnounced = breakTimes.some((at) => at > before && at <= until);
    if (isAnnounced) counted.announcedLosses += 1;
    else counted.silentLosses.push(`${publisher}:${n} to ${client.name}`);
  }
}

/** The index of the first of `sorted` that is above `n`. */
function firstAbove(sorted: readonly number[], n: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! > n) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** True where a message at `position` is one that a subscription begun at `start` must see; also where neither is known. */
function isBehind(position: Position | undefined, start: Position | undefined): boolean {
  if (position === undefined || start === undefined || position.epoch > start.epoch) return true;
  return position.epoch === start.epoch && position.offset > start.offset;
}

const nameOf = ({ publisher, n, epoch }: Message): string => `${publisher}:${n} in ${epoch}`;

const sum = (clients: readonly Participant[], count: (client: Participant) => number): number =>
  clients.reduce((total, client) => total + count(client), 0);

const newMap = <K, V>(): Map<K, V> => new Map<K, V>();

function entryOf<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = create();
    map.set(key, value);
  }
  return value;
}

/** What is wrong in an account, in words; empty where nothing is. Losses that were announced count as `lossesAllowed` says. */
export function wrongsOf(counted: Account, lossesAllowed: boolean): string[] {
  const { silentLosses, duplicates, faults, disagreements, announcedLosses } = counted;
  const wrongs = Object.entries({ "silent losses": silentLosses, duplicates, faults, disagreements })
    .filter(([, list]) => list.length > 0)
    .map(([what, list]) => `${what} ${list.length}: ${list.slice(0, 5).join("; ")}`);
  if (!lossesAllowed && announcedLosses > 0) wrongs.push(`announced losses ${announcedLosses}: there should be none`);
  return wrongs;
}

/** Fails where anything was lost in silence, doubled, made up or seen in two orders. Tells how much was counted. */
export function assertNothingLost(clients: readonly Participant[], { lossesAllowed = false } = {}): Account {
  const counted = account(clients);
  assert.deepEqual(wrongsOf(counted, lossesAllowed), []);
  return counted;
}
