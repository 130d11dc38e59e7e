/**
 * Counts what "nothing lost" means: from what publishers and subscribers noted to a list of everything that is wrong.
 *
 * The rules: every acknowledged publication reaches every subscriber that was there all the time, recoveries included;
 * nothing comes twice; offsets ascend; all subscribers of a channel agree on one order; nothing appears that nobody
 * published; a publisher's own order is kept. Whoever was there for a while saw a part of that order without a hole.
 */
export interface DeliveryLog {
  readonly publications: readonly Publication[];
  readonly subscribers: readonly Subscriber[];
}

export interface Publication {
  readonly channel: string;
  readonly publisher: string;
  /** The publisher's own count. */
  readonly n: number;
  /** `run:publisher:n`; no two publications have the same. */
  readonly text: string;
  /** From its acknowledgement; `undefined`: sent, and never answered. It may appear once or not at all. */
  readonly offset: string | undefined;
}

export interface Subscriber {
  readonly name: string;
  readonly channel: string;
  /** There from before the first publication until after the last, in however many connections. */
  readonly isWhole: boolean;
  /** Deliveries in their order; both lists have the same length. */
  readonly texts: readonly string[];
  readonly offsets: readonly string[];
}

const faultsMax = 20; // one hole makes thousands; the first ones tell

/** Everything that is wrong, in words; empty where nothing is. Linear in the deliveries. */
export function deliveryFaults({ publications, subscribers }: DeliveryLog): string[] {
  const faults: string[] = [];
  const published = new Map(publications.map((publication) => [publication.text, publication]));
  const orders = new Map<string, readonly string[]>(); // by channel: what its first whole subscriber saw
  for (const { channel, isWhole, texts } of subscribers)
    if (isWhole && !orders.has(channel)) orders.set(channel, texts);
  for (const subscriber of subscribers) {
    faults.push(...ownFaults(subscriber, published));
    const order = orders.get(subscriber.channel);
    if (order === undefined) faults.push(`${subscriber.channel}: nobody was there all the time`);
    else faults.push(...disagreement(subscriber, order));
    if (faults.length >= faultsMax) return faults.slice(0, faultsMax);
  }
  for (const { name, channel, isWhole, texts } of subscribers) {
    if (!isWhole) continue;
    const seen = new Set(texts);
    for (const { channel: home, text, offset } of publications)
      if (home === channel && offset !== undefined && !seen.has(text)) faults.push(`${name}: lost ${text}`);
    if (faults.length >= faultsMax) break;
  }
  return faults.slice(0, faultsMax);
}

/** What is wrong with one subscriber's deliveries, whatever the others saw. */
function ownFaults(
  { name, channel, texts, offsets }: Subscriber,
  published: ReadonlyMap<string, Publication>,
): string[] {
  const faults: string[] = [];
  const seen = new Set<string>();
  const latest = new Map<string, number>(); // by publisher: its highest n so far
  for (const [i, text] of texts.entries()) {
    const offset = offsets[i]!;
    const publication = published.get(text);
    if (seen.has(text)) faults.push(`${name}: doubled ${text}`);
    seen.add(text);
    if (i > 0 && offset <= offsets[i - 1]!) faults.push(`${name}: offset ${offset} of ${text} after ${offsets[i - 1]}`);
    if (publication?.channel !== channel) {
      faults.push(`${name}: nobody published ${text} in ${channel}`);
      continue;
    }
    const { publisher, n } = publication;
    if (publication.offset !== undefined && publication.offset !== offset)
      faults.push(`${name}: ${text} at ${offset}, acknowledged at ${publication.offset}`);
    if (n <= (latest.get(publisher) ?? -1))
      faults.push(`${name}: ${text} after ${latest.get(publisher)} of ${publisher}`);
    latest.set(publisher, n);
  }
  return faults;
}

/** Where a subscriber's order leaves that of the channel. */
function disagreement({ name, isWhole, texts }: Subscriber, order: readonly string[]): string[] {
  if (texts.length === 0) return isWhole && order.length > 0 ? [`${name}: saw nothing`] : [];
  const start = isWhole ? 0 : order.indexOf(texts[0]!);
  for (const [i, text] of texts.entries())
    if (order[start + i] !== text) return [`${name}: delivery ${i} is ${text}, for others ${order[start + i]}`];
  if (isWhole && texts.length < order.length) return [`${name}: ends after ${texts.length} of ${order.length}`];
  return [];
}
