/**
 * What this node's connections write into the log of channels with presence: who joined, as whom, and who left.
 *
 * A lost connection's members stay for the grace, so that a reload does not flap; a leave that is asked for is at once.
 */
import { isDeepStrictEqual } from "node:util";
import type { Bus, Member } from "../bus/bus.ts";
import type { Connection } from "../connection/connection.ts";
import type { Connections } from "../connection/connections.ts";
import type { Members } from "./presence.ts";

export interface MembershipParts {
  readonly bus: Bus;
  readonly connections: Connections;
  readonly members: Pick<Members, "shardOf">;
  /** The channels with subscribers on this node, where the log is to know them. */
  readonly occupied?: (() => Iterable<string>) | undefined;
}

/** The channels with presence that a connection has joined, and as whom. */
interface Joined {
  readonly session: string;
  readonly channels: Map<string, Member>;
}

export class Memberships {
  readonly #leaveGraceSeconds: number;
  readonly #parts: MembershipParts;
  readonly #joined = new Map<number, Joined>(); // by connection id, until its leaves are written

  constructor(leaveGraceSeconds: number, parts: MembershipParts) {
    this.#leaveGraceSeconds = leaveGraceSeconds;
    this.#parts = parts;
  }

  join(connection: Connection, channel: string): void {
    const session = this.#parts.connections.session(connection);
    if (!this.#joined.has(connection.id)) this.#joined.set(connection.id, { session, channels: new Map() });
    this.#write(connection, channel, "join");
  }

  /** Does nothing where the connection has not joined. */
  leave(connection: Connection, channel: string): void {
    if (this.#joined.get(connection.id)?.channels.has(channel)) this.#write(connection, channel, "leave");
  }

  /** The connection may be another member than before: it leaves as that one and joins anew. */
  renamed(connection: Connection): void {
    const now = memberFor(connection);
    for (const [channel, member] of [...(this.#joined.get(connection.id)?.channels ?? [])]) {
      if (isDeepStrictEqual(member, now)) continue; // a fresh token of the same user is no news to the others
      this.#write(connection, channel, "leave");
      this.#write(connection, channel, "join");
    }
  }

  closed(connection: Connection): void {
    const joined = this.#joined.get(connection.id);
    if (joined === undefined) return;
    const write = (): void => {
      this.#joined.delete(connection.id);
      const { session, channels } = joined;
      for (const [channel, member] of channels)
        this.#parts.bus.append({ kind: "leave", channel, session, member }, () => {});
    };
    // An anonymous connection cannot come back as the same member: nothing to wait for.
    if (this.#leaveGraceSeconds === 0 || connection.identity === undefined) write();
    else setTimeout(write, this.#leaveGraceSeconds * 1000).unref();
  }

  /** Writes this node's roll: its members, and the channels that it occupies, among the channels of a shard. */
  announce(shard: number): void {
    const { bus, members, occupied } = this.#parts;
    const node = bus.incarnation;
    bus.append({ kind: "roll_begun", node, shard }, () => {});
    for (const { session, channels } of this.#joined.values()) {
      for (const [channel, member] of channels)
        if (members.shardOf(channel) === shard) bus.append({ kind: "join", channel, session, member }, () => {});
    }
    for (const channel of occupied?.() ?? [])
      if (members.shardOf(channel) === shard) bus.append({ kind: "occupied", channel, node }, () => {});
    bus.append({ kind: "roll_ended", node, shard }, () => {});
  }

  /** Writes a join as whoever the connection is now, or the leave of whoever it joined as. */
  #write(connection: Connection, channel: string, kind: "join" | "leave"): void {
    const { session, channels } = this.#joined.get(connection.id)!;
    const member = kind === "join" ? memberFor(connection) : channels.get(channel)!;
    if (kind === "join") channels.set(channel, member);
    else channels.delete(channel);
    this.#parts.bus.append({ kind, channel, session, member }, () => {});
  }
}

function memberFor({ id, identity }: Connection): Member {
  return identity === undefined
    ? { connection_id: id }
    : { user_id: JSON.parse(identity.userIdJson), role: identity.role };
}
