/**
 * The bus: an ordered log that every node reads. Whatever happens to a channel is a record in it, and everything that
 * a node knows of channels (history, idempotency keys, presence) is built from the records in their order.
 *
 * The rule: records of one channel are applied in one order, the same on every node, each once, the publisher's own
 * node included. `test/bus/contract.ts` holds every implementation to it.
 */
import type { StreamPosition, Target } from "../protocol/messages.ts";
import type { BusFigures } from "./bus-status.ts";

/** A message on its way to the subscribers of a channel. */
export interface PublicationRecord {
  readonly kind: "publication";
  readonly channel: string;
  /** The `message` frame up to, and without, its closing brace; its place in the log is added on arrival. */
  readonly head: string;
  /** The publisher's connection id, 0 for the server itself. */
  readonly sender: number;
  /** False: the publisher's own connection is left out. */
  readonly echo: boolean;
  readonly target: Target | undefined;
  /** Idempotency key, within the channel and `userId`. */
  readonly key: string | undefined;
  readonly userId: string | undefined;
  /** Monotonic ms of the reading process: when the publication came in. */
  readonly acceptedAtMs: number;
}

/** One connection became, or ceased to be, a subscriber of a channel with presence. */
export interface MembershipRecord {
  readonly kind: "join" | "leave";
  readonly channel: string;
  /** The connection, by the name that no other process uses; it begins with its node's incarnation and a dot. */
  readonly session: string;
  readonly member: Member;
}

/** A node has its first subscriber of a channel, or lost the last one. Written only where a webhook wants to know. */
export interface OccupancyRecord {
  readonly kind: "occupied" | "vacated";
  readonly channel: string;
  /** The node's incarnation. */
  readonly node: string;
}

/** Who holds which members, for the channels of one shard of the log. */
export interface NodeRecord {
  /**
   * `roll_call`: tell the others your members. `roll_begun`, `roll_ended`: the joins (and channels
   * occupied) of the node between them are all that it has. `node_ended`: its members have left.
   */
  readonly kind: "roll_call" | "roll_begun" | "roll_ended" | "node_ended";
  /** The node's incarnation; "" with `roll_call`: every node. */
  readonly node: string;
  /** The shard it stands in, and whose channels it concerns; appended without one it goes into each. */
  readonly shard?: number | undefined;
}

/** A member as clients see it: a user, or an anonymous connection. */
export interface Member {
  readonly user_id?: string | number;
  readonly role?: string;
  readonly connection_id?: number;
}

/**
 * What every process is to do, or to tell, in this place of the log: each acts on its own connections, and answers. What
 * it says is the caller's matter; see `calls`.
 */
export interface CommandRecord {
  readonly kind: "command";
  /** The channel in whose order it stands; "" where none is meant. */
  readonly channel: string;
  /** Whom the answers are for: the asker's incarnation, and its number for this command. */
  readonly node: string;
  readonly id: number;
  readonly body: string;
  /**
   * Unix seconds until which processes that start are told of it too, however old the log is that they read; 0: they are
   * not. They may be told twice. To be kept takes a while, and what is appended meanwhile may come before it.
   */
  readonly keptUntil: number;
}

/** What one process says to a command. */
export interface AnswerRecord {
  readonly kind: "answer";
  /** Of the command, as the two after it. */
  readonly channel: string;
  readonly node: string;
  readonly id: number;
  /** The incarnation of the process that answers. */
  readonly from: string;
  readonly body: string;
}

/** What a node's roll is made of. */
export type RollRecord = MembershipRecord | OccupancyRecord | NodeRecord;

export type LogRecord = PublicationRecord | RollRecord | CommandRecord | AnswerRecord;

/** True for records of members and subscribers: where one of them was refused, the others do not know who is here. */
export function isOfMembers(record: LogRecord): record is RollRecord {
  return record.kind !== "publication" && record.kind !== "command" && record.kind !== "answer";
}

/**
 * Takes one record. `ageMs`: how long ago it was written, where the node reads up on the past. A command that was kept
 * longer than the log has an empty position. Must not throw.
 */
export type Apply = (record: LogRecord, position: StreamPosition, ageMs: number) => void;

/** Why a record could not be appended: the log is away and the waiting queue full. */
export type AppendFault = "unavailable";

/** Numbers of processes are below this: 11 bits of a connection id, see `slots.ts`. */
export const nodesMax = 2 ** 11;

export interface Bus {
  /** This process' number in the cluster, below `nodesMax`, and the name of this life of it. */
  readonly node: number;
  readonly incarnation: string;
  /** Other nodes read the log as well. */
  readonly isShared: boolean;
  /** What it tells of itself, for the metrics; absent where the log is this process or its supervisor. */
  figures?(): BusFigures;
  /**
   * The incarnations of the processes that read the log, as far as this one has heard of them lately; itself first. A
   * process that holds the log for others does not count those.
   */
  processes(): readonly string[];
  /** Starts reading. `apply` gets every record. Resolves once the node's view is complete up to the present. */
  start(apply: Apply): Promise<void>;
  /**
   * Appends `record`. `done` is called once: with the record's position when the log has it (acknowledged means
   * committed), or with why it was refused. It may be called before `append` returns.
   */
  append(record: LogRecord, done: (outcome: StreamPosition | AppendFault) => void): void;
  /** The position of the latest record applied, of those that a record for `channel` would follow. */
  tail(channel: string): StreamPosition;
  /** From where on, in the present epoch, this node has applied every record of `channel`. */
  knownFrom(channel: string): string;
  /** True where `offset` is the position of a record that this node has applied, in the log of `channel`. */
  knows(channel: string, offset: string): boolean;
  stop(): Promise<void>;
}
