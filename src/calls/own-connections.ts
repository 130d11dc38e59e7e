/**
 * Commands as one process carries them out: on its own connections, and on no other's.
 *
 * The rule: nothing here takes long at a stretch. Lists that need a look at every connection are made in slices, one
 * list at a time.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Revocations } from "../auth/revocations.ts";
import type { Subscriptions } from "../channel/subscriptions.ts";
import { channelsOf } from "../channel/topics.ts";
import type { Connection } from "../connection/connection.ts";
import type { Connections } from "../connection/connections.ts";
import { errorFrame } from "../protocol/encode.ts";
import { matches } from "../protocol/names.ts";
import { refusal } from "../protocol/refusal.ts";
import type { NodeInfo } from "./calls.ts";
import { type Command, type CommandOf, type CommandResult, type ResultOf, timeoutMsOf } from "./commands.ts";
import { type OwnStatsParts, ownStats } from "./own-stats.ts";
import { LowestKeys } from "./pages.ts";
import type { ProcessStats } from "./stats.ts";

export interface OwnParts extends OwnStatsParts {
  readonly connections: Connections;
  readonly subscriptions: Subscriptions;
  readonly revocations: Revocations;
  readonly clock: { nowMs(): number; unixSeconds(): number };
  /** Publishes what is pending: it came before the command. */
  flush(): void;
}

type Selection = Pick<CommandOf<"subscribe">, "users" | "connections" | "sessions">;

const slotsPerSlice = 1000;
/** Of one part of a page; one connection with a thousand long names takes more alone. */
const partBytesMax = 128 * 1024;
const channelsMax = 1000;

export class OwnConnections {
  readonly #parts: OwnParts;
  readonly #startedMs: number;
  #walks: Promise<unknown> = Promise.resolve();

  constructor(parts: OwnParts) {
    this.#parts = parts;
    this.#startedMs = parts.clock.nowMs();
  }

  /** `undefined`: the answer would come too late. */
  act(command: Command): CommandResult | undefined | Promise<CommandResult | undefined> {
    const { subscriptions } = this.#parts;
    switch (command.name) {
      case "subscribe":
        return this.#onEach(command, (connection) => subscriptions.subscribeByServer(connection, command.channel));
      case "unsubscribe":
        return this.#onEach(command, (connection) => subscriptions.unsubscribeByServer(connection, command.channel));
      case "disconnect": {
        this.#parts.flush();
        const { code, reason } = command;
        return this.#onEach(command, (connection) => {
          if (!connection.isOpen) return false;
          connection.close("disconnected", reason, code);
          return true;
        });
      }
      case "revoke":
        return this.#revoke(command);
      case "channels":
        return this.#channels(command);
      case "connections":
        return this.#connections(command);
      case "info":
        return this.#info();
      case "stats":
        return this.stats();
    }
  }

  /** What this process counts, and how it is. */
  stats(): ProcessStats {
    return ownStats(this.#parts, this.#startedMs);
  }

  #onEach(selection: Selection, act: (connection: Connection) => boolean): ResultOf<"subscribe"> {
    let count = 0;
    for (const connection of this.#select(selection))
      connection.cork(() => {
        if (act(connection)) count += 1;
      });
    return { connections: count };
  }

  /** Each once; a copy, for what is done to them may close them. */
  #select({ users, connections: ids, sessions }: Selection): ReadonlySet<Connection> {
    const { connections } = this.#parts;
    const found = new Set<Connection | undefined>();
    for (const id of ids) found.add(connections.byId(id));
    for (const user of users) for (const connection of connections.byUser(user)) found.add(connection);
    for (const session of sessions) {
      const connection = connections.byId(Number.parseInt(session.slice(session.lastIndexOf(".") + 1), 36));
      if (connection !== undefined && connections.session(connection) === session) found.add(connection);
    }
    found.delete(undefined);
    return found as Set<Connection>;
  }

  #revoke(revocation: CommandOf<"revoke">): ResultOf<"revoke"> {
    const { connections, subscriptions, revocations, clock } = this.#parts;
    if (revocation.until <= clock.unixSeconds()) return { connections: 0 };
    revocations.add(revocation);
    this.#parts.flush();
    const affected = new Set<Connection>();
    const look = (connection: Connection): void => {
      const { identity } = connection;
      if (identity === undefined || !connection.isOpen || !revocations.has(identity)) return;
      affected.add(connection);
      connection.cork(() => {
        connection.send(errorFrame(refusal("invalid_token", "Token revoked")));
        connection.close("token_revoked", "token revoked");
      });
    };
    if (revocation.tokens.length > 0) for (const connection of connections) look(connection);
    else for (const user of revocation.users) for (const connection of [...connections.byUser(user)]) look(connection);
    for (const connection of subscriptions.endGrants(clock.unixSeconds())) affected.add(connection);
    return { connections: affected.size };
  }

  #channels(command: CommandOf<"channels">): Promise<ResultOf<"channels"> | undefined> {
    const { pattern, after, limit } = command;
    const names = new LowestKeys(after, limit + 1);
    const isAll = pattern === ">";
    const look = ({ socket }: Connection): void => {
      for (const channel of channelsOf(socket?.getTopics() ?? []))
        if (isAll || matches(pattern, channel)) names.add(channel);
    };
    return this.#walk(command, look, () => {
      const found = names.lowest();
      const items = found.slice(0, limit).map(([channel, subscribers]) => ({ channel, subscribers }));
      return { items, more: found.length > limit };
    });
  }

  #connections(command: CommandOf<"connections">): MaybeLater<ResultOf<"connections"> | undefined> {
    const { connections } = this.#parts;
    const { user, connection: id, after, limit } = command;
    const ids = new LowestKeys(after, limit + 1);
    const look = (connection: Connection): void => ids.add(connection.id);
    if (user === undefined && id === undefined) return this.#walk(command, look, () => this.#infos(ids, limit));
    const one = id === undefined ? undefined : connections.byId(id);
    const candidates = id === undefined ? connections.byUser(user!) : one === undefined ? [] : [one];
    for (const connection of candidates)
      if (user === undefined || connection.identity?.userId === user) look(connection);
    return this.#infos(ids, limit);
  }

  #infos(ids: LowestKeys<number>, limit: number): ResultOf<"connections"> {
    const { connections } = this.#parts;
    const found = ids.lowest();
    const items: Described[] = [];
    let bytes = 0;
    for (const [id] of found) {
      if (items.length === limit || bytes > partBytesMax) return { items, more: true };
      const connection = connections.byId(id);
      if (connection === undefined) continue; // closed while others were looked at
      const info = this.#describe(connection);
      items.push(info);
      bytes += JSON.stringify(info).length;
    }
    return { items, more: false };
  }

  #describe(connection: Connection): Described {
    const { connections } = this.#parts;
    const { id, identity, address, format, socket, queuedBytes } = connection;
    const channels = channelsOf(socket?.getTopics() ?? []).slice(0, channelsMax);
    return {
      connection: id,
      session: connections.session(connection),
      node: connections.node,
      ...(identity !== undefined && { user: JSON.parse(identity.userIdJson), role: identity.role }),
      address,
      format,
      channels: channels.sort(),
      queuedBytes,
    };
  }

  #info(): NodeInfo {
    const { connections, subscriptions, clock, version } = this.#parts;
    return {
      node: connections.node,
      version,
      connections: connections.count,
      subscriptions: subscriptions.count,
      uptimeSeconds: Math.floor((clock.nowMs() - this.#startedMs) / 1000),
    };
  }

  /** Looks at every connection, behind the walks before it; then `result`, unless nobody waits for it any more. */
  #walk<T>(command: Command, look: (connection: Connection) => void, result: () => T): Promise<T | undefined> {
    const { connections, clock } = this.#parts;
    const untilMs = clock.nowMs() + timeoutMsOf(command);
    const walk = async (): Promise<T | undefined> => {
      for (let slot = 1; slot < connections.slots.capacity; slot += 1) {
        if (slot % slotsPerSlice === 1) {
          if (slot > 1) await nextTurn();
          if (clock.nowMs() > untilMs) return undefined;
        }
        const connection = connections.bySlot(slot);
        if (connection?.isOpen) look(connection);
      }
      return result();
    };
    const walking = this.#walks.then(walk);
    this.#walks = walking.catch(() => {});
    return walking;
  }
}

type MaybeLater<T> = T | Promise<T>;
type Described = ResultOf<"connections">["items"][number];
