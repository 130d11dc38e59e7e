/**
 * A model of the gateway as a client sees it: an ordered log with epochs, histories of bounded length, keys, limits that
 * drop without a word, tokens that end. Its faults are methods; nothing goes wrong that is not asked for.
 */
import type { ModelSocket, World } from "./world.ts";

type Fields = Record<string, unknown>;

export interface Entry {
  /** Its place among all that was ever published; the `time` of its frames, so that a test can tell entries apart. */
  readonly number: number;
  readonly channel: string;
  readonly value: unknown;
  readonly offset: string;
  readonly epoch: string;
}

interface Peer {
  readonly socket: ModelSocket;
  readonly id: number;
  readonly channels: Set<string>;
  isOpen: boolean;
  fullAtMs: number; // of the message bucket
  noticeAtMs: number; // before which there is no other
  expiresMs: number; // of the token
}

const historyMax = 8;
const messagesPerMinute = 240;
const keyMs = 300_000;
const hasHistory = (channel: string): boolean => channel.startsWith("chat.");

export class ModelGateway {
  /** Everything that was ever published, also what the log lost. */
  readonly entries: Entry[] = [];
  /** Times that the log was lost. */
  losses = 0;
  /** No handshake succeeds before. */
  downUntilMs = 0;
  #strictUntilMs = 0;
  #unavailableUntilMs = 0;
  readonly #world: World;
  readonly #peers = new Set<Peer>();
  #epoch = "epoch-0";
  #histories = new Map<string, Entry[]>();
  #floors = new Map<string, string>();
  #keys = new Map<string, { readonly entry: Entry; readonly atMs: number }>();
  #connections = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** Takes a connection, or refuses its handshake. */
  readonly accept = (socket: ModelSocket): void => {
    const token = socket.protocols[2];
    const expiresMs = token === undefined ? Number.POSITIVE_INFINITY : Number(token);
    if (this.#world.nowMs < this.downUntilMs || expiresMs < this.#world.nowMs) return socket.end(1006);
    this.#connections += 1;
    const fresh = { isOpen: true, fullAtMs: 0, noticeAtMs: 0, expiresMs };
    const peer: Peer = { socket, id: this.#connections, channels: new Set(), ...fresh };
    this.#peers.add(peer);
    socket.peer = {
      received: (frame) => this.#received(peer, frame),
      closed: () => {
        peer.isOpen = false;
        this.#peers.delete(peer);
      },
    };
    const limits = {
      messages_per_minute: messagesPerMinute,
      message_bytes_max: 4096,
      batch_items_max: 10,
      channels_max: 100,
    };
    socket.deliver({ action: "welcome", connection_id: peer.id, heartbeat_interval: 10, authenticated: true, limits });
    this.#expire(peer, expiresMs);
    this.#beat(peer);
  };

  get subscriptions(): string[] {
    return [...this.#peers].flatMap(({ channels }) => [...channels]).sort();
  }

  /** A backend publishes. */
  publish(channel: string, value: unknown): void {
    this.#append(channel, value);
  }

  /** Of one connection, if there is any. */
  fault(kind: "cut" | "dead" | "slow" | "drain"): void {
    const peer = [...this.#peers][this.#world.upTo(this.#peers.size)];
    if (kind === "cut") peer?.socket.end(1006);
    if (kind === "dead") peer?.socket.die();
    if (kind === "slow") peer?.socket.end(4002);
    if (kind === "drain") {
      peer?.socket.deliver({ action: "reconnect", retry_in_ms: this.#world.upTo(1000) });
      peer?.socket.end(1001);
    }
  }

  /** The process is killed and stays away for a while. Its log is elsewhere. */
  restart(awayMs: number): void {
    this.downUntilMs = Math.max(this.downUntilMs, this.#world.nowMs + awayMs);
    for (const { socket } of this.#peers) socket.end(1006);
  }

  /** Every request is one too many. */
  beStrict(ms: number): void {
    this.#strictUntilMs = this.#world.nowMs + ms;
  }

  /** Subscriptions are refused now and then, for now. */
  beUnavailable(ms: number): void {
    this.#unavailableUntilMs = this.#world.nowMs + ms;
  }

  /** The log is gone, with history and keys: a new epoch. */
  loseLog(): void {
    this.losses += 1;
    this.#epoch = `epoch-${this.losses}`;
    this.#histories.clear();
    this.#floors.clear();
    this.#keys.clear();
  }

  #received(peer: Peer, frame: Fields): void {
    const { action } = frame;
    if (action === "pong") return;
    if (action === "ping") return peer.socket.deliver({ action: "pong" });
    if (action !== "batch") return this.#carryOut(peer, frame);
    for (const item of (frame.data as Fields).items as Fields[]) this.#carryOut(peer, item);
  }

  #carryOut(peer: Peer, { action, data, id }: Fields): void {
    if (!peer.isOpen || !this.#charge(peer, action, id)) return;
    const { channel, options, message, key } = data as Fields;
    const name = String(channel);
    const reply = (fields: object): void => peer.socket.deliver({ success: true, action, channel, id, ...fields });
    const refuse = (code: string): void =>
      peer.socket.deliver({ success: false, action: "error", code, error: code, request: action, channel, id });
    if (action === "subscribe") {
      if (this.#world.nowMs < this.#unavailableUntilMs && this.#world.chance(0.5)) return refuse("unavailable");
      return this.#subscribe(peer, name, (options ?? {}) as Fields, reply);
    }
    if (action === "unsubscribe") {
      peer.channels.delete(name);
      return reply({});
    }
    if (action === "authenticate") {
      const expiresMs = Number((data as Fields).token);
      if (expiresMs < this.#world.nowMs) return refuse("token_expired");
      this.#expire(peer, expiresMs);
      return reply({ authenticated: true });
    }
    if (action !== "message") return refuse("unknown_action");
    if (!peer.channels.has(name)) return refuse("not_subscribed");
    // The log takes its time; whoever is gone by then is not told.
    this.#world.in(this.#world.chance(0.3) ? this.#world.upTo(300) : 0, () => {
      const place = `${name} ${key}`;
      const before = this.#keys.get(place);
      const known = before !== undefined && this.#world.nowMs - before.atMs < keyMs ? before.entry : undefined;
      const entry = known ?? this.#append(name, message);
      if (known === undefined) this.#keys.set(place, { entry, atMs: this.#world.nowMs });
      const position = hasHistory(name) ? { offset: entry.offset, epoch: entry.epoch } : {};
      if (peer.isOpen) reply({ action: "message_sent", recipients_count: 1, ...position, duplicate: known && true });
    });
  }

  /** As the gateway: one notice a second, the rest is dropped without a word; large frames are not read, and have no id. */
  #charge(peer: Peer, action: unknown, id: unknown): boolean {
    const { nowMs } = this.#world;
    const ms = 60_000 / messagesPerMinute;
    const fullAtMs = Math.max(nowMs, peer.fullAtMs) + ms;
    if (fullAtMs - nowMs <= messagesPerMinute * ms && nowMs >= this.#strictUntilMs) {
      peer.fullAtMs = fullAtMs;
      return true;
    }
    if (nowMs < peer.noticeAtMs) return false;
    peer.noticeAtMs = nowMs + 1000;
    const names = this.#world.chance(0.5) ? { request: action, id } : {};
    peer.socket.deliver({
      success: false,
      action: "error",
      code: "rate_limit",
      error: "slow down",
      retry_after: 1,
      ...names,
    });
    return false;
  }

  #subscribe(peer: Peer, channel: string, options: Fields, reply: (fields: object) => void): void {
    peer.channels.add(channel);
    const at = this.entries.length;
    if (!hasHistory(channel)) return reply({ at, recovered: options.since === undefined ? undefined : false });
    const history = this.#histories.get(channel) ?? [];
    const since = options.since as { readonly offset: string; readonly epoch: string } | undefined;
    const isKnown = since?.epoch === this.#epoch && since.offset >= (this.#floors.get(channel) ?? "");
    const missed = since !== undefined && isKnown ? history.filter(({ offset }) => offset > since.offset) : undefined;
    const tail = { offset: history.at(-1)?.offset ?? this.#floors.get(channel) ?? "0", epoch: this.#epoch };
    reply({ at, ...tail, recovered: since && missed !== undefined });
    const wanted = Number(options.history ?? 0);
    for (const entry of missed ?? history.slice(wanted === 0 ? history.length : -wanted))
      peer.socket.deliver({ ...frameOf(entry), replayed: true });
  }

  #append(channel: string, value: unknown): Entry {
    const number = this.entries.length + 1;
    const entry: Entry = { number, channel, value, offset: String(number).padStart(9, "0"), epoch: this.#epoch };
    this.entries.push(entry);
    const history = this.#histories.get(channel) ?? [];
    this.#histories.set(channel, history);
    history.push(entry);
    if (history.length > historyMax) this.#floors.set(channel, history.shift()!.offset);
    for (const { channels, socket } of this.#peers) if (channels.has(channel)) socket.publish(frameOf(entry));
    return entry;
  }

  #expire(peer: Peer, expiresMs: number): void {
    peer.expiresMs = expiresMs;
    if (!Number.isFinite(expiresMs)) return;
    const leftMs = expiresMs - this.#world.nowMs;
    const isCurrent = (): boolean => peer.isOpen && peer.expiresMs === expiresMs;
    const tell = (): void => peer.socket.deliver({ action: "token_expiring", expires_in: 5 });
    this.#world.in(leftMs - 5000, () => isCurrent() && tell());
    this.#world.in(leftMs + 1000, () => isCurrent() && peer.socket.end(4003));
  }

  #beat(peer: Peer): void {
    this.#world.in(10_000, () => {
      if (!peer.isOpen) return;
      peer.socket.deliver({ action: "ping" });
      this.#beat(peer);
    });
  }
}

function frameOf({ channel, value, offset, epoch, number }: Entry): object {
  const position = hasHistory(channel) ? { offset, epoch } : {};
  return { action: "message", channel, sender: 0, message: value, time: number, ...position };
}
