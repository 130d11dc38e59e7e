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

  /** The nodes that have members. Linear in the members' connections. */
  nodes(): string[] {
    const nodes = new Set<string>();
    for (const members of this.#channels.values()) {
      for (const { sessions } of members.values())
        for (const session of sessions) nodes.add(session.slice(0, session.lastIndexOf(".")));
    }
    return [...nodes];
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
    if (members === undefined || !present?.sessions.delete(session) || present.sessions.size > 0) return false;
    members.delete(memberKey(member));
    if (members.size === 0) this.#channels.delete(channel);
    this.count -= 1;
    return true;
  }
}

const memberKey = (member: Member): string =>
  member.user_id === undefined ? `connection ${member.connection_id}` : `user ${member.user_id}`;
