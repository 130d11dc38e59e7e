/**
 * What must have come of a run of the model.
 *
 * The rule, exactly: whatever was acknowledged, or came to anybody, came to every client; or the client was told of a break
 * behind the last entry before it of the same writer and before the next but one: a node that starts after the loss meets
 * the next one without knowing what was before. Nothing came twice without a break in
 * between. Everything came from the place where it stands, and places rise within an epoch: so all saw one order.
 */
import type { ModelClient, ModelEvent } from "./client.ts";
import type { ModelEntry, ModelRedis } from "./redis.ts";

export interface Checked {
  readonly wrongs: string[];
  readonly announced: number;
  readonly traceless: number;
  /** By text: a message that was sent again stands in several. */
  readonly entriesOf: ReadonlyMap<string, readonly ModelEntry[]>;
}

type Message = Exclude<ModelEvent, "break">;

/** `isTraceless`: of a message that nobody can know of any more. */
export function checkModel(
  clients: readonly ModelClient[],
  redis: ModelRedis,
  isTraceless: (text: string, entries: readonly ModelEntry[]) => boolean,
): Checked {
  const entriesOf = new Map<string, ModelEntry[]>();
  const checked = { wrongs: [] as string[], announced: 0, traceless: 0, entriesOf };
  for (const entry of redis.everything.values())
    for (const { text } of entry.records) entriesOf.set(text, [...(entriesOf.get(text) ?? []), entry]);
  const wanted = new Set(clients.flatMap(({ acknowledgedTexts }) => acknowledgedTexts));
  for (const { events } of clients) for (const event of events) if (event !== "break") wanted.add(event.text);
  for (const client of clients) {
    // Of what was flushed unnoticed the keys are gone as well.
    const doubles = doublesOf(client).filter((text) => !redis.flushed.has(text));
    checked.wrongs.push(...client.faults, ...misplaced(client, redis));
    checked.wrongs.push(...doubles.map((text) => `double: ${text} to ${client.name}`));
    const seen = new Set(client.events.map((event) => (event === "break" ? "" : event.text)));
    const times = timesByWriter(client, redis);
    for (const text of wanted) {
      if (seen.has(text)) continue;
      const entries = entriesOf.get(text) ?? [];
      if (entries.some((entry) => isTold(client, entry, times))) checked.announced += 1;
      else if (isTraceless(text, entries)) checked.traceless += 1;
      else checked.wrongs.push(`silent loss: ${text} to ${client.name}`);
    }
  }
  return checked;
}

/** By writer: the sequences of its entries that a client saw something of, each with the event. */
function timesByWriter({ events }: ModelClient, redis: ModelRedis): Map<string, [sequence: number, time: number][]> {
  const times = new Map<string, [number, number][]>();
  for (const [time, event] of events.entries()) {
    const entry = event === "break" ? undefined : entryAt(redis, event);
    if (entry === undefined) continue;
    const list = times.get(entry.writer) ?? [];
    times.set(entry.writer, list);
    list.push([entry.sequence, time]);
  }
  return times;
}

function isTold({ events }: ModelClient, entry: ModelEntry, times: ReadonlyMap<string, [number, number][]>): boolean {
  const seen = times.get(entry.writer) ?? [];
  const next = Math.min(...seen.map(([sequence]) => sequence).filter((sequence) => sequence > entry.sequence));
  const before = seen.filter(([sequence]) => sequence <= entry.sequence).map(([, time]) => time);
  const behind = seen.filter(([sequence]) => sequence > next).map(([, time]) => time);
  const from = Math.max(-1, ...before);
  const until = Math.min(events.length, ...behind);
  return events.some((event, time) => event === "break" && time > from && time <= until);
}

function doublesOf({ events }: ModelClient): string[] {
  const since = new Map<string, number>(); // breaks before it came
  const doubles: string[] = [];
  let breaks = 0;
  for (const event of events) {
    if (event === "break") breaks += 1;
    else if (since.get(event.text) === breaks) doubles.push(event.text);
    if (event !== "break") since.set(event.text, breaks);
  }
  return doubles;
}

/** What came from a place where it does not stand. */
function misplaced({ name, events }: ModelClient, redis: ModelRedis): string[] {
  return events.flatMap((event) => {
    if (event === "break") return [];
    const record = entryAt(redis, event)?.records[Number(event.offset.slice(-4))];
    return record?.text === event.text ? [] : [`misplaced: ${event.text} to ${name} at ${event.offset}`];
  });
}

const entryAt = (redis: ModelRedis, { offset }: Message): ModelEntry | undefined =>
  redis.everything.get(offset.slice(0, -4));
