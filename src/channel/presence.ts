/**
 * Who is in each channel with presence, built from the join and leave records of the log.
 *
 * Members are users: the first connection of a user joins, the last one leaves; an anonymous connection is a member of
 * its own. The grace after a lost connection is a leave record that is written late, see `Subscriptions`: whoever comes
 * back meanwhile was never gone.
 */
import type { Member, MembershipRecord } from "../bus/bus.ts";

interface Presence {
  readonly member: Member;
  readonly sessions: Set<string>; // of its connections, on all nodes
}

export class Members {
  readonly #channels = new Map<string, Map<string, Presence>>();
  readonly #connectionsByNode = new Map<string, number>(); // above 0
  /** Members over all channels. */
  count = 0;

  /** Applies a record. True where the member's presence changed: the channel is to be told. */
  apply(record: MembershipRecord): boolean {
    return record.kind === "join" ? this.#join(record) : this.#leave(record);
  }

  /** The leave records that take everyone of a node away; its sessions begin with its incarnation and a dot. */
  leavesOf(node: string): MembershipRecord[] {
    const leaves: MembershipRecord[] = [];
    for (const [channel, members] of this.#channels) {
      for (const { member, sessions } of members.values()) {
        for (const session of sessions)
          if (session.startsWith(`${node}.`)) leaves.push({ kind: "leave", channel, session, member });
      }
    }
    return leaves;
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

  countIn(channel: string): number {
    return this.#channels.get(channel)?.size ?? 0;
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
    const node = session.slice(0, session.lastIndexOf("."));
    const count = (this.#connectionsByNode.get(node) ?? 0) + more;
    if (count === 0) this.#connectionsByNode.delete(node);
    else this.#connectionsByNode.set(node, count);
  }
}

const memberKey = (member: Member): string =>
  member.user_id === undefined ? `connection ${member.connection_id}` : `user ${member.user_id}`;
