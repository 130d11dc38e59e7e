/**
 * Who is in each channel with presence, built from the join and leave records of the log.
 *
 * Members are users: the first connection of a user joins, the last one leaves; an anonymous connection is a member of
 * its own. The grace after a lost connection is a leave record that is written late, see `Memberships`: whoever comes
 * back meanwhile was never gone.
 *
 * The rule: whatever the log lost, it can be told anew. A node's roll, its joins between `roll_begun` and `roll_ended`,
 * replaces what was known of its members: who is not in it has left.
 */
import type { Member, MembershipRecord, NodeRecord, RollRecord } from "../bus/bus.ts";
import { shardOf } from "../bus/shard-of.ts";
import { nodeOfSession } from "../connection/connections.ts";

interface Presence {
  readonly member: Member;
  readonly sessions: Set<string>; // of its connections, on all nodes
}

export class Members {
  readonly #channels = new Map<string, Map<string, Presence>>();
  readonly #connectionsByNode = new Map<string, number>(); // above 0
  readonly #unconfirmed = new Map<string, Map<string, MembershipRecord>>(); // by roll under way: who is not yet in it
  readonly #shards: number;
  /** Members over all channels. */
  count = 0;

  /** `shards`: how many orders the log has. Records of a node concern the channels of the one that they stand in. */
  constructor(shards = 1) {
    this.#shards = shards;
  }

  /**
   * Applies a record; those of occupied channels say nothing of members. `changed` gets each join and leave that its
   * channel is to be told, once it has been applied.
   */
  apply(record: RollRecord, changed: (change: MembershipRecord) => void): void {
    switch (record.kind) {
      case "join":
        this.#unconfirmed
          .get(rollOf(nodeOfSession(record.session), this.shardOf(record.channel)))
          ?.delete(placeOf(record));
        if (this.#join(record)) changed(record);
        return;
      case "leave":
        if (this.#leave(record)) changed(record);
        return;
      case "roll_begun": {
        const present = this.#leavesOf(record).map((leave) => [placeOf(leave), leave] as const);
        this.#unconfirmed.set(rollOf(record.node, record.shard), new Map(present));
        return;
      }
      case "roll_ended":
      case "node_ended": {
        const roll = rollOf(record.node, record.shard);
        const gone = record.kind === "node_ended" ? this.#leavesOf(record) : this.#unconfirmed.get(roll)?.values();
        this.#unconfirmed.delete(roll);
        for (const leave of gone ?? []) if (this.#leave(leave)) changed(leave);
      }
    }
  }

  shardOf(channel: string): number {
    return shardOf(channel, this.#shards);
  }

  /** A join for every connection in a channel with presence: from them another process can build the same. */
  all(): MembershipRecord[] {
    const joins: MembershipRecord[] = [];
    for (const [channel, members] of this.#channels) {
      for (const { member, sessions } of members.values())
        for (const session of sessions) joins.push({ kind: "join", channel, session, member });
    }
    return joins;
  }

  /** True where a node has members. */
  isHolding(node: string): boolean {
    return this.#connectionsByNode.has(node);
  }

  /** The nodes that have members. */
  nodes(): string[] {
    return [...this.#connectionsByNode.keys()];
  }

  /** Connections in channels with presence, each once for every such channel, by node. */
  connectionsByNode(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#connectionsByNode);
  }

  list(channel: string): readonly Member[] {
    return [...(this.#channels.get(channel)?.values() ?? [])].map(({ member }) => member);
  }

  /** Connections of all members of a channel. Linear in its members. */
  connectionsIn(channel: string): number {
    let connections = 0;
    for (const { sessions } of this.#channels.get(channel)?.values() ?? []) connections += sessions.size;
    return connections;
  }

  countIn(channel: string): number {
    return this.#channels.get(channel)?.size ?? 0;
  }

  /** The leaves that take everyone of a node away, from the channels of a shard. Linear in all members. */
  #leavesOf({ node, shard = 0 }: NodeRecord): MembershipRecord[] {
    return this.all()
      .filter(({ channel, session }) => nodeOfSession(session) === node && this.shardOf(channel) === shard)
      .map((join) => ({ ...join, kind: "leave" }));
  }

  #join({ channel, member, session }: MembershipRecord): boolean {
    let members = this.#channels.get(channel);
    if (members === undefined) {
      members = new Map();
      this.#channels.set(channel, members);
    }
    const present = members.get(memberKey(member));
    if (present?.sessions.has(session)) return false; // told again, for a node that is new
    this.#count(session, 1);
    if (present !== undefined) {
      present.sessions.add(session);
      return false;
    }
    members.set(memberKey(member), { member, sessions: new Set([session]) });
    this.count += 1;
    return true;
  }

  #leave({ channel, member, session }: MembershipRecord): boolean {
    const members = this.#channels.get(channel);
    const present = members?.get(memberKey(member));
    if (members === undefined || !present?.sessions.delete(session)) return false;
    this.#count(session, -1);
    if (present.sessions.size > 0) return false;
    members.delete(memberKey(member));
    if (members.size === 0) this.#channels.delete(channel);
    this.count -= 1;
    return true;
  }

  #count(session: string, more: 1 | -1): void {
    const node = nodeOfSession(session);
    const count = (this.#connectionsByNode.get(node) ?? 0) + more;
    if (count === 0) this.#connectionsByNode.delete(node);
    else this.#connectionsByNode.set(node, count);
  }
}

const rollOf = (node: string, shard = 0): string => `${shard} ${node}`;
const placeOf = ({ channel, session }: MembershipRecord): string => `${channel} ${session}`;
const memberKey = (member: Member): string =>
  member.user_id === undefined ? `connection ${member.connection_id}` : `user ${member.user_id}`;
