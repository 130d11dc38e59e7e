/**
 * Those who are asked before something is carried out: first the backend that the configuration names, then the embedding
 * program's hook. Whoever asks has applied the rules already, and applies them again afterwards: an answer takes its time.
 *
 * The rule: nothing here throws or rejects, a promise comes only where somebody must be waited for, and where nobody is
 * to be asked about something, its function is not there at all.
 */
import type { Identity } from "../auth/identity.ts";
import type { CalloutEvent, CalloutTarget } from "../callout/callout-options.ts";
import type { Callouts, Question, Verdict } from "../callout/callouts.ts";
import type { Authorize } from "../channel/policy-options.ts";
import type { Clock } from "../clock/clock.ts";
import type { Connection } from "../connection/connection.ts";
import type { ErrorCode } from "../protocol/codes.ts";
import type { Publish, Subscribe } from "../protocol/messages.ts";
import { isRefusal, type Refusal, refusal } from "../protocol/refusal.ts";
import type { HookRunner } from "./hook-runner.ts";
import type { HookConnection, Hooks } from "./hooks.ts";
import {
  type ConnectDecision,
  hookUser,
  type RewriteLimits,
  readConnect,
  readMessage,
  readSubscribe,
  ShownMessage,
} from "./rewrites.ts";

export interface GuardOptions extends RewriteLimits {
  readonly connect: CalloutTarget;
  /** What some channel asks a backend about. */
  readonly authorized: readonly string[];
}

export interface GuardParts {
  readonly hooks: Hooks;
  readonly runner: HookRunner;
  readonly callouts: Callouts;
  readonly policies: { of(channel: string): { readonly authorize: Authorize } };
  readonly connections: { session(connection: Connection): string };
  readonly clock: Clock;
  /** Whether its token ended before its time, perhaps while somebody was asked. */
  isRevoked(identity: Identity): boolean;
}

/** A handshake that is otherwise accepted. */
export interface Handshake {
  readonly address: string;
  readonly format: "json" | "msgpack";
  readonly identity: Identity | undefined;
  readonly headers: ReadonlyMap<string, string>;
  readonly query: URLSearchParams;
}

/** A handshake that is let in. */
export interface Entry {
  readonly identity: Identity | undefined;
  /** To be told its connection; absent where nothing is kept for it. */
  readonly opened?: ((connection: Connection) => void) | undefined;
}

/** One that is not. */
export interface Closed {
  readonly status: "401" | "403" | "429" | "503";
  readonly error: string;
  readonly retryAfterSeconds?: number;
}

type Maybe<T> = T | Promise<T>;

export interface Guard {
  readonly connect: ((handshake: Handshake) => Maybe<Entry | Closed>) | undefined;
  /** Who the connection is from now on. */
  readonly authenticate: ((connection: Connection, identity: Identity) => Maybe<Identity | Refusal>) | undefined;
  /** The request as it is to be carried out. */
  readonly subscribe: ((connection: Connection, request: Subscribe) => Maybe<Subscribe | Refusal>) | undefined;
  readonly publish: ((connection: Connection, request: Publish) => Maybe<Publish | Refusal>) | undefined;
  /** True where a subscription to `channel` needs somebody's leave; then only subscribers may read what it keeps. */
  keeps(channel: string): boolean;
  readonly closed: ((connection: Connection) => void) | undefined;
}

export function createGuard(options: GuardOptions, parts: GuardParts): Guard {
  const { hooks, runner, callouts, policies, connections, clock, isRevoked } = parts;
  const asks = (event: CalloutEvent): boolean => options.authorized.includes(event);
  const kept = new WeakMap<Connection, ConnectDecision>();

  const shown = (connection: Connection): HookConnection => ({
    id: connection.id,
    session: connections.session(connection),
    address: connection.address,
    format: connection.format,
    user: hookUser(connection.identity),
    data: kept.get(connection)?.data,
  });

  /** The backend's refusal; `undefined` where it agrees, or none is asked. */
  const refusedByBackend = (event: "subscribe" | "publish", connection: Connection, channel: string) => {
    const { authorize } = policies.of(channel);
    if (authorize.url === "" || !authorize.on.includes(event)) return undefined;
    const { id, address, identity } = connection;
    const session = connections.session(connection);
    const question = { event, ...userOf(identity), channel, connection: id, session, address };
    return chain(callouts.ask(authorize, question), refusalOf);
  };

  const decide = (handshake: Handshake, connection: Connection | undefined): Maybe<ConnectDecision | Refusal> => {
    const { address, identity } = handshake;
    const session = connection && connections.session(connection);
    const question: Question = { event: "connect", ...userOf(identity), connection: connection?.id, session, address };
    const refused = options.connect.url === "" ? undefined : chain(callouts.ask(options.connect, question), refusalOf);
    return chain(refused, (why) => {
      const { onConnect } = hooks;
      const asIs: ConnectDecision = { identity, isOwn: false, data: undefined };
      if (why !== undefined || onConnect === undefined) return why ?? asIs;
      const request = { ...handshake, user: hookUser(identity), connection: connection && shown(connection) };
      const answer = runner.run(
        "onConnect",
        () => onConnect.call(hooks, request),
        (given) => readConnect(given, identity, clock.unixSeconds()),
        { connection: connection?.id },
      );
      return chain(answer, (decision) => decision ?? asIs);
    });
  };

  const decideInTime = (handshake: Handshake, connection: Connection | undefined): Maybe<ConnectDecision | Refusal> =>
    chain(decide(handshake, connection), (decision) => {
      const isLate = !isRefusal(decision) && decision.identity !== undefined && isRevoked(decision.identity);
      return isLate ? refusal("invalid_token") : decision;
    });

  const connect: Guard["connect"] = (handshake) =>
    chain(decideInTime(handshake, undefined), (decision) => {
      if (isRefusal(decision)) return closedFor(decision);
      const isKept = decision.isOwn || decision.data !== undefined;
      const opened = isKept ? (connection: Connection) => void kept.set(connection, decision) : undefined;
      return { identity: decision.identity, opened };
    });

  const authenticate: Guard["authenticate"] = (connection, identity) => {
    const before = kept.get(connection);
    if (before?.isOwn) return refusal("forbidden", "Not allowed: the server said who this connection is");
    const { address, format } = connection;
    const handshake = { address, format, identity, headers: new Map(), query: new URLSearchParams() };
    return chain(decideInTime(handshake, connection), (decision) => {
      if (isRefusal(decision)) return decision;
      if (decision.identity === undefined) return refusal("forbidden"); // who becomes nobody gains nothing by asking
      if (decision.isOwn || decision.data !== undefined)
        kept.set(connection, { ...decision, data: decision.data ?? before?.data });
      return decision.identity;
    });
  };

  const subscribe: Guard["subscribe"] = (connection, request) =>
    chain(refusedByBackend("subscribe", connection, request.channel), (why) => {
      const { onSubscribe } = hooks;
      if (why !== undefined || onSubscribe === undefined || !connection.isOpen) return why ?? request;
      const { channel, history, presence, since } = request;
      const answer = runner.run(
        "onSubscribe",
        () => onSubscribe.call(hooks, { connection: shown(connection), channel, history, presence, since }),
        (given) => readSubscribe(given, request),
        { connection: connection.id },
      );
      return chain(answer, (rewritten) => rewritten ?? request);
    });

  const publish: Guard["publish"] = (connection, request) =>
    chain(refusedByBackend("publish", connection, request.channel), (why) => {
      const { onMessage } = hooks;
      if (why !== undefined || onMessage === undefined || !connection.isOpen) return why ?? request;
      const answer = runner.run(
        "onMessage",
        () => onMessage.call(hooks, new ShownMessage(shown(connection), request)),
        (given) => readMessage(given, request, options),
        { connection: connection.id },
      );
      return chain(answer, (rewritten) => rewritten ?? request);
    });

  const closed = (connection: Connection): void => {
    const event = { connection: shown(connection), reason: connection.closing ?? "client" } as const;
    void runner.run(
      "onClose",
      () => hooks.onClose?.(event),
      () => undefined,
      { connection: connection.id },
    );
  };

  const guardsEntry = options.connect.url !== "" || hooks.onConnect !== undefined;
  return {
    connect: guardsEntry ? connect : undefined,
    authenticate: guardsEntry ? authenticate : undefined,
    subscribe: asks("subscribe") || hooks.onSubscribe !== undefined ? subscribe : undefined,
    publish: asks("publish") || hooks.onMessage !== undefined ? publish : undefined,
    keeps: (channel) => {
      const { url, on } = policies.of(channel).authorize;
      return hooks.onSubscribe !== undefined || (url !== "" && on.includes("subscribe"));
    },
    closed: hooks.onClose === undefined ? undefined : closed,
  };
}

/** Goes on with `value`, at once where it is there. */
function chain<T, R>(value: Maybe<T>, next: (value: T) => Maybe<R>): Maybe<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

function userOf(identity: Identity | undefined): Pick<Question, "user" | "role"> {
  return identity === undefined ? {} : { user: JSON.parse(identity.userIdJson), role: identity.role };
}

const refusalOf = (verdict: Verdict): Refusal | undefined =>
  verdict.allow ? undefined : refusal(verdict.code, verdict.reason);

function closedFor({ code, error, retryAfter }: Refusal): Closed {
  const status = statuses[code] ?? "403";
  const retryAfterSeconds = retryAfter ?? (status === "503" ? 5 : status === "429" ? 10 : undefined);
  return { status, error, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) };
}

const statuses: { readonly [C in ErrorCode]?: Closed["status"] } = {
  unauthenticated: "401",
  invalid_token: "401",
  token_expired: "401",
  rate_limit: "429",
  limit_reached: "429",
  unavailable: "503",
  internal: "503",
};
