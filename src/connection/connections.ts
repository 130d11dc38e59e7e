/**
 * All connections of this process, by slot and by user.
 *
 * Opening takes a slot and closing gives it back; whoever keeps something per slot is told of both, and of growth,
 * through `onOpen`, `onClose` and `slots.onGrow`.
 */
import { randomInt } from "node:crypto";
import type { Identity } from "../auth/identity.ts";
import { type Encoding, encodings } from "../protocol/encoding.ts";
import { Connection, type Socket, type Transport } from "./connection.ts";
import { connectionId, generationsMax, Slots, slotOf } from "./slots.ts";

/** Who this process is among the nodes. */
export interface NodeIdentity {
  /** Its number, below `nodesMax`, unique while it lives; it may change where it was lost. */
  readonly node: number;
  /** The name of this life of it: ids start again with a process, sessions do not. */
  readonly incarnation: string;
  /** There are, or may be, other nodes. */
  readonly isShared: boolean;
}

type CloseListener = (connection: Connection, code: number, reason: string) => void;

export class Connections {
  readonly slots: Slots;
  readonly #self: NodeIdentity;
  readonly #transport: Transport;
  readonly #bySlot: (Connection | undefined)[] = []; // [slot]
  /** Most users have one connection: a set of its own for each would cost 250 bytes. */
  readonly #byUser = new Map<string, Connection | Set<Connection>>();
  readonly #openListeners: ((connection: Connection) => void)[] = [];
  readonly #closeListeners: CloseListener[] = [];
  #count = 0;
  readonly #counts = new Map<Encoding, number>(encodings.map((encoding) => [encoding, 0]));
  #inUse: readonly Encoding[] = [];

  constructor(self: NodeIdentity, transport: Transport) {
    this.#self = self;
    this.slots = new Slots(undefined, self.isShared ? randomInt(generationsMax) : 0);
    this.#transport = transport;
  }

  /** The incarnation of this node. */
  get node(): string {
    return this.#self.incarnation;
  }

  get count(): number {
    return this.#count;
  }

  /** The encodings of open connections. */
  get encodingsInUse(): readonly Encoding[] {
    return this.#inUse;
  }

  countOf(encoding: Encoding): number {
    return this.#counts.get(encoding)!;
  }

  onOpen(listener: (connection: Connection) => void): void {
    this.#openListeners.push(listener);
  }

  onClose(listener: CloseListener): void {
    this.#closeListeners.push(listener);
  }

  open(socket: Socket, encoding: Encoding, address: string, identity: Identity | undefined): Connection {
    const slot = this.slots.take();
    const id = connectionId(this.#self.node, this.slots.generation(slot), slot);
    const connection = new Connection(slot, id, socket, encoding, address, identity, this.#transport);
    this.#bySlot[slot] = connection;
    this.#count += 1;
    this.#counted(encoding, 1);
    this.#transport.counters.connectionsOpened += 1;
    if (identity !== undefined) this.#addUser(connection, identity);
    for (const listener of this.#openListeners) listener(connection);
    return connection;
  }

  /** Called once the socket is closed, whoever closed it, with the close code and its reason. */
  closed(connection: Connection, code = 1006, reason = ""): void {
    connection.socket = undefined;
    connection.inbox = undefined;
    this.#transport.counters.closed[connection.closing ?? "client"] += 1;
    for (const listener of this.#closeListeners) listener(connection, code, reason);
    if (connection.identity !== undefined) this.#removeUser(connection, connection.identity);
    this.#bySlot[connection.slot] = undefined;
    this.#count -= 1;
    this.#counted(connection.encoding, -1);
    this.slots.release(connection.slot);
  }

  /** Makes the connection that of `identity`. */
  identify(connection: Connection, identity: Identity): void {
    if (connection.identity !== undefined) this.#removeUser(connection, connection.identity);
    connection.identity = identity;
    this.#addUser(connection, identity);
  }

  /** The open connection with this id on this node; ids of earlier owners of its slot find nothing. */
  byId(id: number): Connection | undefined {
    const connection = this.#bySlot[slotOf(id)];
    return connection?.id === id ? connection : undefined;
  }

  bySlot(slot: number): Connection | undefined {
    return this.#bySlot[slot];
  }

  byUser(userId: string): Iterable<Connection> {
    const found = this.#byUser.get(userId);
    return found === undefined ? [] : found instanceof Connection ? [found] : found;
  }

  /** All open connections, in slot order. Safe while connections close. */
  *[Symbol.iterator](): Iterator<Connection> {
    for (let slot = 1; slot < this.#bySlot.length; slot += 1) {
      const connection = this.#bySlot[slot];
      if (connection !== undefined) yield connection;
    }
  }

  /** Names one connection for logs and the server API: unlike its id, never used again by a later process. */
  session(connection: Connection): string {
    return `${this.#self.incarnation}.${connection.id.toString(36)}`;
  }

  #counted(encoding: Encoding, change: 1 | -1): void {
    const count = this.countOf(encoding) + change;
    this.#counts.set(encoding, count);
    if (count === 0 || (count === 1 && change === 1)) this.#inUse = encodings.filter((each) => this.countOf(each) > 0);
  }

  #addUser(connection: Connection, { userId }: Identity): void {
    const found = this.#byUser.get(userId);
    if (found === undefined) this.#byUser.set(userId, connection);
    else if (found instanceof Connection) this.#byUser.set(userId, new Set([found, connection]));
    else found.add(connection);
  }

  #removeUser(connection: Connection, { userId }: Identity): void {
    const found = this.#byUser.get(userId);
    if (found === connection) this.#byUser.delete(userId);
    else if (found instanceof Set && found.delete(connection) && found.size === 0) this.#byUser.delete(userId);
  }
}

/** The incarnation of the process that a session is of. */
export const nodeOfSession = (session: string): string => session.slice(0, session.lastIndexOf("."));
