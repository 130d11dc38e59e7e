/**
 * The counting behind "nothing lost": what clients published and were acknowledged, against what clients received.
 *
 * A message that is missing is announced where the client was told so before the next one: by `recovered:false`, or by a
 * message of a new epoch. Anything else that is missing is a silent loss.
 */
/** A client, as far as it is counted: `ChatClient`, or any other that notes the same. */
export interface Participant {
  readonly name: string;
  readonly channel: string;
  /** Messages in the order in which they came; each is `name:n` of its publisher. */
  readonly received: readonly { readonly text: string; readonly epoch: string }[];
  /** How many messages had come when it was told that some may be missing. */
  readonly breaks: readonly number[];
  /** What it published and was acknowledged. */
  readonly acknowledged: ReadonlySet<string>;
}

export interface Account {
  readonly published: number;
  readonly delivered: number;
  /** Acknowledged, not delivered, and the client was not told. */
  readonly silentLosses: string[];
  /** Acknowledged, not delivered, and the client was told that something may be missing. */
  readonly announcedLosses: string[];
  readonly duplicates: string[];
  /** Delivered, and published by nobody. */
  readonly forged: string[];
  /** Messages that came after a later one of the same publisher. */
  readonly outOfOrder: string[];
  /** Clients that saw the messages of their channel in another order than the first client of it. */
  readonly disagreeing: string[];
}

/** Adds up `readers`, all of whom were subscribed before anybody published, and `writers`, who are done. */
export function account(readers: readonly Participant[], writers: readonly Participant[]): Account {
  const result: Account = {
    published: writers.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0),
    delivered: readers.reduce((sum, { received }) => sum + received.length, 0),
    silentLosses: [],
    announcedLosses: [],
    duplicates: [],
    forged: [],
    outOfOrder: [],
    disagreeing: [],
  };
  for (const reader of readers) add(result, reader, writers);
  for (const channel of new Set(readers.map((reader) => reader.channel))) {
    const group = readers.filter((reader) => reader.channel === channel);
    const order = new Map(group[0]!.received.map(({ text }, index) => [text, index]));
    for (const { name, received } of group) {
      const places = received.map(({ text }) => order.get(text)).filter((place) => place !== undefined);
      if (places.some((place, i) => i > 0 && place < places[i - 1]!)) result.disagreeing.push(`${name} on ${channel}`);
    }
  }
  return result;
}

function add(result: Account, reader: Participant, writers: readonly Participant[]): void {
  const { channel, name, received } = reader;
  const acknowledged = writers.filter((writer) => writer.channel === channel);
  const known = new Set(acknowledged.flatMap((writer) => [...writer.acknowledged]));
  const seen = new Set<string>();
  const latest = new Map<string, number>(); // by publisher
  for (const { text } of received) {
    if (seen.has(text)) result.duplicates.push(`${text} to ${name}`);
    if (!known.has(text)) result.forged.push(`${text} to ${name}`);
    const [publisher = "", number] = text.split(":");
    if (!seen.has(text) && Number(number) < (latest.get(publisher) ?? 0)) result.outOfOrder.push(`${text} to ${name}`);
    latest.set(publisher, Math.max(latest.get(publisher) ?? 0, Number(number)));
    seen.add(text);
  }
  for (const text of known) {
    if (seen.has(text)) continue;
    (isTold(reader, text) ? result.announcedLosses : result.silentLosses).push(`${text} to ${name}`);
  }
}

/** Whether the client was told of a break between the messages around `text` that it has of the same publisher. */
function isTold({ received, breaks }: Participant, text: string): boolean {
  const [publisher = "", number] = text.split(":");
  const numberOf = (other: string): number =>
    other.startsWith(`${publisher}:`) ? Number(other.split(":")[1]) : Number.NaN;
  const before = received.findLastIndex((delivery) => numberOf(delivery.text) < Number(number));
  const found = received.findIndex((delivery) => numberOf(delivery.text) > Number(number));
  const after = found === -1 ? received.length : found;
  const isBroken = breaks.some((count) => count > before && count <= after);
  return isBroken || received[Math.max(before, 0)]?.epoch !== received[Math.min(after, received.length - 1)]?.epoch;
}
