/**
 * 200 connections in 20 channels, each publishing 500 messages and reading its channel, while others come and go: 100,000
 * publications and 1,000,000 deliveries, every one of them noted and counted.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import WebSocket from "ws";
import { type DeliveryLog, deliveryFaults, type Publication, type Subscriber } from "./delivery-check.ts";
import { startGatewayProcess } from "./gateway-process.ts";

const channelCount = 20;
const membersPerChannel = 10;
const messagesPerMember = 500;
const channelMessages = membersPerChannel * messagesPerMember;

/** Members of a channel that lose their connection on the way, how often, and visitors over all channels. */
const lossyMembers = 3;
const lossesPerMember = 4;
const visitorCount = 20;

/** Unanswered publications of one member: what keeps the send queues short. */
const inFlightMax = 16;
const waitMs = 100_000; // all waits together

interface Position {
  offset: string;
  epoch: string;
}

interface Frame extends Position {
  readonly action: string;
  readonly success?: boolean;
  readonly id?: number;
  readonly message?: string;
  readonly recovered?: boolean;
  readonly replayed?: boolean;
}

/** Publishes its messages and reads its channel; after a loss it recovers and sends again what was not answered. */
class Member {
  readonly name: string;
  readonly channel: string;
  readonly texts: string[] = [];
  readonly offsets: string[] = [];
  /** [n] from its acknowledgement. */
  readonly acknowledged: (string | undefined)[] = [];
  acknowledgedCount = 0;
  replayed = 0;
  resent = 0;
  /** Refusals and recoveries that failed: there should be none. */
  readonly complaints: string[] = [];
  readonly #url: string;
  readonly #run: string;
  readonly #lossesAt: number[]; // acknowledgements after which the line is cut
  #socket: WebSocket | undefined;
  #since: Position | undefined;
  #sent = 0;

  constructor(url: string, run: string, channel: string, name: string, isLossy: boolean) {
    this.#url = url;
    this.#run = run;
    this.channel = channel;
    this.name = name;
    this.#lossesAt = isLossy ? someOf(messagesPerMember, lossesPerMember) : [];
  }

  textOf(n: number): string {
    return `${this.#run}:${this.name}:${n}`;
  }

  async arrive(): Promise<void> {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    await once(socket, "open");
    socket.on("message", (data: Buffer) => this.#receive(socket, JSON.parse(data.toString()) as Frame));
    const options = this.#since === undefined ? undefined : { since: this.#since };
    socket.send(JSON.stringify({ action: "subscribe", data: { channel: this.channel, options } }));
  }

  /** Sends again what was never answered, in its order, then goes on. */
  publish(): void {
    for (let n = 0; n < this.#sent; n += 1)
      if (this.acknowledged[n] === undefined) {
        this.resent += 1;
        this.#send(n);
      }
    this.#fill();
  }

  end(): void {
    this.#socket?.terminate();
  }

  #receive(socket: WebSocket, frame: Frame): void {
    if (socket !== this.#socket) return; // read after the cut: counts as never received
    switch (frame.action) {
      case "message":
        this.texts.push(frame.message!);
        this.offsets.push(frame.offset);
        if (frame.replayed) this.replayed += 1;
        this.#since = { offset: frame.offset, epoch: frame.epoch };
        return;
      case "message_sent":
        return this.#acknowledge(frame);
      case "subscribe":
        if (this.#since !== undefined && frame.recovered !== true) this.complaints.push(JSON.stringify(frame));
        if (this.#since === undefined) this.#since = { offset: frame.offset, epoch: frame.epoch };
        else this.publish();
        return;
      case "error":
        this.complaints.push(JSON.stringify(frame));
    }
  }

  #acknowledge({ id, offset }: Frame): void {
    if (this.acknowledged[id!] === undefined) this.acknowledgedCount += 1;
    this.acknowledged[id!] = offset;
    if (this.acknowledgedCount === this.#lossesAt[0]) {
      this.#lossesAt.shift();
      void this.#lose();
    } else this.#fill();
  }

  async #lose(): Promise<void> {
    this.#fill(); // so that messages are under way when the line is cut
    this.#socket?.terminate();
    this.#socket = undefined;
    await sleep(Math.random() * 300);
    await this.arrive();
  }

  #fill(): void {
    while (this.#sent < messagesPerMember && this.#sent - this.acknowledgedCount < inFlightMax) {
      this.#send(this.#sent);
      this.#sent += 1;
    }
  }

  #send(n: number): void {
    const text = this.textOf(n);
    const data = { channel: this.channel, message: text, key: text };
    this.#socket?.send(JSON.stringify({ action: "message", id: n, data }));
  }
}

/** Comes and goes: connects, reads some channels for a while, leaves them or just hangs up, again and again. */
class Visitor {
  readonly visits: Subscriber[] = [];
  readonly #url: string;
  readonly #name: string;
  readonly #channels: readonly string[];

  constructor(url: string, name: string, channels: readonly string[]) {
    this.#url = url;
    this.#name = name;
    this.#channels = channels;
  }

  async wander(isOver: () => boolean): Promise<void> {
    while (!isOver()) await this.#visit();
  }

  async #visit(): Promise<void> {
    const socket = new WebSocket(this.#url);
    const open = new Map<string, { texts: string[]; offsets: string[] }>();
    socket.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as Frame & { readonly channel: string };
      if (frame.action === "subscribe") {
        const visit = { texts: [], offsets: [] };
        open.set(frame.channel, visit);
        const name = `${this.#name}, visit ${this.visits.length}`;
        this.visits.push({ name, channel: frame.channel, isWhole: false, ...visit });
      } else if (frame.action === "message") {
        open.get(frame.channel)?.texts.push(frame.message!);
        open.get(frame.channel)?.offsets.push(frame.offset);
      }
    });
    await once(socket, "open");
    const send = (action: string, data: object) => socket.send(JSON.stringify({ action, data }));
    const chosen = [0, 1, 2].map(() => this.#channels[Math.floor(Math.random() * this.#channels.length)]!);
    for (const channel of new Set(chosen)) send("subscribe", { channel, options: { history: visitHistory() } });
    await sleep(Math.random() * 100);
    for (const channel of new Set(chosen)) if (Math.random() < 0.7) send("unsubscribe", { channel });
    await sleep(Math.random() * 20);
    if (Math.random() < 0.5) socket.terminate();
    else socket.close();
    await once(socket, "close");
  }
}

const visitHistory = (): number => (Math.random() < 0.5 ? 0 : 20);

/** `count` different whole numbers from 1 to below `end`, ascending. */
function someOf(end: number, count: number): number[] {
  const chosen = new Set<number>();
  while (chosen.size < count) chosen.add(1 + Math.floor(Math.random() * (end - 1)));
  return [...chosen].sort((a, b) => a - b);
}

/** Resolves once `condition` holds, or at `deadline` (monotonic ms): what is missing then, the count will tell. */
async function until(condition: () => boolean, deadline: number): Promise<void> {
  while (!condition() && performance.now() < deadline) await sleep(20);
}

describe("1,000,000 deliveries, counted", () => {
  let log: DeliveryLog = { publications: [], subscribers: [] };

  it("are complete, single and in one order, while others come and go and some recover", async (t) => {
    const { url, metric } = await startGatewayProcess(t, {
      channels: { "chat.>": { history: { size: channelMessages, seconds: 600 } } },
      sendQueueBytesMax: 16 * 1024 * 1024, // half of it holds the whole history of a channel
    });
    const run = `run${Date.now().toString(36)}`;
    const channels = Array.from({ length: channelCount }, (_, i) => `chat.${i}`);
    const members = channels.flatMap((channel, c) =>
      Array.from({ length: membersPerChannel }, (_, m) => new Member(url, run, channel, `${c}/${m}`, m < lossyMembers)),
    );
    t.after(() => {
      for (const member of members) member.end();
    });
    for (const member of members) await member.arrive();

    let isOver = false;
    const visitors = Array.from({ length: visitorCount }, (_, i) => new Visitor(url, `visitor ${i}`, channels));
    const wandering = visitors.map((visitor) => visitor.wander(() => isOver));
    const deadline = performance.now() + waitMs;
    for (const member of members) member.publish();
    await until(() => members.every(({ acknowledgedCount }) => acknowledgedCount === messagesPerMember), deadline);
    await until(() => members.every(({ texts }) => texts.length >= channelMessages), deadline);
    isOver = true;
    await Promise.all(wandering);

    const publications = members.flatMap((member) =>
      Array.from({ length: messagesPerMember }, (_, n): Publication => {
        const { channel, name: publisher } = member;
        return { channel, publisher, n, text: member.textOf(n), offset: member.acknowledged[n] };
      }),
    );
    const whole = members.map(({ name, channel, texts, offsets }) => ({
      name,
      channel,
      isWhole: true,
      texts,
      offsets,
    }));
    const visits = visitors.flatMap((visitor) => visitor.visits);
    log = { publications, subscribers: [...whole, ...visits] };

    assert.deepEqual(deliveryFaults(log), []);
    assert.deepEqual(members.flatMap(({ complaints }) => complaints).slice(0, 5), []);
    const sum = (count: (member: Member) => number) => members.reduce((total, member) => total + count(member), 0);
    assert.equal(
      sum(({ acknowledgedCount }) => acknowledgedCount),
      channelCount * channelMessages,
    );
    assert.equal(
      sum(({ texts }) => texts.length),
      channelCount * membersPerChannel * channelMessages,
    );
    assert.equal(await metric("tidegate_publications_total"), channelCount * channelMessages);
    // The faults really happened: messages were recovered, some were sent twice and known, visitors saw something.
    const replayed = sum((member) => member.replayed);
    const resent = sum((member) => member.resent);
    const visited = visits.reduce((total, { texts }) => total + texts.length, 0);
    const duplicates = await metric("tidegate_duplicates_total");
    t.diagnostic(
      `${replayed} replayed, ${resent} sent again, ${duplicates} known, ${visits.length} visits saw ${visited}`,
    );
    for (const count of [replayed, resent, duplicates, visits.length, visited]) assert.equal(count > 0, true);
  });

  it("are counted by a check that finds one delivery lost, doubled, swapped, moved or invented", () => {
    assert.equal(log.publications.length, channelCount * channelMessages);
    const elsewhere = log.publications.at(-1)!.text; // in the last channel; the two that are tampered with are in others
    const tampered: Record<string, (deliveries: Delivery[]) => Delivery[]> = {
      lost: (all) => all.toSpliced(10, 1),
      doubled: (all) => all.toSpliced(10, 0, all[10]!),
      "doubled at the end": (all) => [...all, { text: all[10]!.text, offset: `${all.at(-1)!.offset}1` }],
      swapped: (all) => all.toSpliced(10, 2, all[11]!, all[10]!),
      "swapped, with the offsets in order": (all) =>
        all
          .with(10, { text: all[11]!.text, offset: all[10]!.offset })
          .with(11, { text: all[10]!.text, offset: all[11]!.offset }),
      invented: (all) => all.toSpliced(10, 0, { text: "run:nobody:1", offset: `${all[9]!.offset}1` }),
      "of another channel": (all) => all.with(10, { text: elsewhere, offset: all[10]!.offset }),
      "moved to another offset": (all) => all.with(10, { text: all[10]!.text, offset: `${all[9]!.offset}1` }),
    };
    const isVictim = ({ channel, texts }: Subscriber) => channel !== channelAt(-1) && texts.length > 20;
    const member = log.subscribers.find((subscriber) => subscriber.isWhole && isVictim(subscriber));
    const visitor = log.subscribers.find((subscriber) => !subscriber.isWhole && isVictim(subscriber));
    for (const victim of [member!, visitor!]) {
      const part = onlyIn(victim.channel);
      assert.deepEqual(deliveryFaults(part), []);
      for (const [name, tamper] of Object.entries(tampered)) {
        const deliveries = tamper(victim.texts.map((text, i) => ({ text, offset: victim.offsets[i]! })));
        const texts = deliveries.map(({ text }) => text);
        const offsets = deliveries.map(({ offset }) => offset);
        const changed = { ...victim, texts, offsets };
        // Behind all others, so that it is not the one whose order counts.
        const subscribers = [...part.subscribers.filter((subscriber) => subscriber !== victim), changed];
        const faults = deliveryFaults({ ...part, subscribers });
        assert.notDeepEqual(faults, [], `${name} for ${victim.name}`);
        for (const fault of faults) assert.equal(fault.startsWith(victim.name), true, fault);
      }
    }
  });

  it("are missed by the check also where every subscriber misses the same one, or the end", () => {
    const part = onlyIn(channelAt(0));
    const { texts } = part.subscribers[0]!;
    const missing = (lost: string | undefined): string[] => {
      const subscribers = part.subscribers.map((subscriber) => {
        const keep = (list: readonly string[]) => list.filter((_, i) => subscriber.texts[i] !== lost);
        return { ...subscriber, texts: keep(subscriber.texts), offsets: keep(subscriber.offsets) };
      });
      return deliveryFaults({ ...part, subscribers });
    };
    for (const lost of [texts[1234], texts.at(-1)]) {
      const wanted = Array.from({ length: membersPerChannel }, (_, m) => `0/${m}: lost ${lost}`);
      assert.deepEqual(missing(lost), wanted);
    }
  });

  const channelAt = (i: number): string => log.publications.at(i)!.channel;
  const onlyIn = (channel: string): DeliveryLog => ({
    publications: log.publications.filter((publication) => publication.channel === channel),
    subscribers: log.subscribers.filter((subscriber) => subscriber.channel === channel),
  });
});

interface Delivery {
  readonly text: string;
  readonly offset: string;
}
