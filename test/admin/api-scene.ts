/** The server API over real HTTP, before calls that are written down and answered with what a gateway might say. */
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { text as readAll } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { startAdmin } from "../../src/admin/admin-server.ts";
import type { ApiOptions } from "../../src/admin/api-server.ts";
import { ApiKeys } from "../../src/auth/api-keys.ts";
import { type CallName, callNames } from "../../src/calls/call-table.ts";
import { CallError, type Calls } from "../../src/calls/calls.ts";
import { explainCall } from "../../src/calls/explain-call.ts";
import { issueToken } from "../../src/calls/issue-token.ts";
import { createLog } from "../../src/log/log.ts";
import { ApiCounters } from "../../src/metrics/api-counters.ts";
import { Health } from "../../src/metrics/health.ts";
import { load } from "../config/faults.ts";
import { testSecret } from "../support/gateway.ts";
import { searchAtEnd, secretOf } from "../support/printed.ts";

export const apiKey = secretOf("a-key-of-the-tests-0001");
export const otherKey = secretOf("a-key-of-the-tests-0002");

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: { readonly result?: unknown; readonly error?: { readonly code: string; readonly message: string } };
}

export interface ApiScene {
  readonly port: number;
  readonly url: string;
  /** Every call that was carried out, in order. */
  readonly done: { readonly name: string; readonly call: unknown }[];
  readonly logLines: string[];
  readonly counters: ApiCounters;
  /** POSTs `params` to a call, with the first key. */
  call(name: string, params: unknown): Promise<Answered>;
  /** Any request; the key, JSON as the type and POST unless told otherwise. `undefined` leaves a header out. */
  ask(path: string, asked?: Asked): Promise<Answered>;
}

export interface Asked {
  readonly method?: string;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Where to connect to; 127.0.0.1. */
  readonly address?: string;
}

/** One good example of each call's arguments. */
export const examples: Readonly<Record<CallName, object>> = {
  publish: { channel: "chat.room.1", message: { text: "hi", list: [1, null, true] }, users: ["42", 7], key: "k1" },
  broadcast: { channels: ["chat.a", "chat.b"], message: "hi" },
  batch: { calls: [{ method: "info" }, { method: "presence", params: { channel: "a" } }] },
  subscribe: { channel: "chat.room.1", users: ["42"] },
  unsubscribe: { channel: "chat.room.1", connections: [1], sessions: ["n1.7"] },
  disconnect: { users: [42], code: 4400, reason: "bye" },
  revoke: { tokens: ["jti-1"], users: ["42"], until: 2_000_000_000 },
  presence: { channel: "presence.room" },
  presence_stats: { channel: "presence.room" },
  history: { channel: "chat.room.1", limit: 10, since: { offset: "5", epoch: "e" }, reverse: true },
  channels: { pattern: "chat.>", limit: 2, cursor: "chat.a" },
  connections: { user: "42", limit: 1 },
  info: {},
  stats: {},
  token: { user: "42", role: "editor", channels: ["private.team.>"], publish: ["a.b"], ttlSeconds: 60 },
  "authorize/explain": { action: "subscribe", channel: "private.user.42", user: "42", role: "editor", lent: ["a.>"] },
};

/** What the calls answer. */
const answers: Calls = {
  publish: async ({ key }) => ({ offset: "12", epoch: "e1", ...(key === "again" && { duplicate: true as const }) }),
  broadcast: async ({ channels }) =>
    channels.map((channel) =>
      channel === "chat.full" ? new CallError("unavailable", "the log is away") : { offset: "1", epoch: "e1" },
    ),
  subscribe: async () => ({ connections: 2 }),
  unsubscribe: async () => ({ connections: 1, isPartial: true }),
  disconnect: async () => ({ connections: 3 }),
  revoke: async () => ({ connections: 0 }),
  presence: async () => ({ members: [{ user_id: 42, role: "user" }, { connection_id: 7 }] }),
  presenceStats: async () => ({ members: 2, connections: 3 }),
  history: async ({ channel }) => ({
    channel,
    messages: [{ action: "message", channel, message: "hi", offset: "6", epoch: "e" }],
    offset: "6",
    epoch: "e",
    recovered: true,
  }),
  channels: async () => ({ items: [{ channel: "chat.b", subscribers: 2, members: 1 }], next: "chat.b" }),
  connections: async () => ({
    items: [
      {
        connection: 1,
        session: "n1.1",
        node: "n1",
        user: "42",
        role: "user",
        address: "127.0.0.1",
        format: "json",
        channels: ["chat.a"],
        queuedBytes: 0,
      },
    ],
    isPartial: true,
  }),
  info: async () => ({
    version: "1.2.3",
    nodes: [{ node: "n1", version: "1.2.3", connections: 1, subscriptions: 2, uptimeSeconds: 3.5 }],
    connections: 1,
    subscriptions: 2,
  }),
  stats: async () => ({
    processes: [],
    latencyBoundsSeconds: [1],
    ready: false,
    reason: "Redis: away",
    isPartial: true,
  }),
};

/** Starts the port. `instead` answers in place of the usual; `options` are over the defaults. */
export async function startApi(
  t: TestContext,
  options: Partial<ApiOptions> & { readonly host?: string; readonly auth?: object } = {},
  instead: Partial<Calls> = {},
): Promise<ApiScene> {
  const { host = "127.0.0.1", auth, ...api } = options;
  const done: { name: string; call: unknown }[] = [];
  const calls = Object.fromEntries(
    (Object.entries({ ...answers, ...instead }) as [string, (call: never) => unknown][]).map(([name, answer]) => [
      name,
      (call: never) => {
        done.push({ name, call });
        return answer(call);
      },
    ]),
  ) as unknown as Calls;
  const logLines: string[] = [];
  searchAtEnd(() => logLines.join(""));
  const log = createLog({ level: "info", format: "json" }, { write: (line) => void logLines.push(line) });
  const { config } = load({ flags: { auth: auth ?? { secret: testSecret } } });
  const counters = new ApiCounters();
  const admin = await startAdmin({
    host,
    port: 0,
    metrics: { contentType: "text/plain", text: async () => "" },
    health: new Health(),
    publicPort: () => 9501,
    tls: false,
    version: "1.2.3",
    log,
    api: {
      ...config.api,
      depthMax: config.depthMax,
      keys: new ApiKeys([apiKey, otherKey]),
      calls,
      issueToken: (call) => issueToken(config.auth, call),
      explain: (call) => explainCall(config.channels, call),
      counters,
      ...api,
    },
  });
  t.after(() => admin.stop());
  const ask = (path: string, asked?: Asked) => send(admin.port, path, asked);
  return {
    port: admin.port,
    url: `http://127.0.0.1:${admin.port}`,
    done,
    logLines,
    counters,
    ask,
    call: (name, params) => ask(`/api/v1/${name}`, { body: JSON.stringify(params) }),
  };
}

/** A request with any method, path and headers, which fetch does not allow. */
function send(port: number, path: string, asked: Asked = {}): Promise<Answered> {
  const { method = "POST", body = "", headers = {}, address = "127.0.0.1" } = asked;
  const proper = {
    Host: `127.0.0.1:${port}`,
    "Content-Type": "application/json",
    Authorization: `Bearer ${apiKey}`,
    "Content-Length": String(Buffer.byteLength(body)),
  };
  const given = Object.entries({ ...proper, ...headers }).filter(([, value]) => value !== undefined);
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: address,
      port,
      path,
      method,
      headers: Object.fromEntries(given) as Record<string, string>,
      agent: false,
    });
    request.once("error", reject);
    request.once("response", async (response) => {
      const text = await readAll(response);
      const isJson = response.headers["content-type"]?.startsWith("application/json") === true && text !== "";
      const json = isJson ? JSON.parse(text) : {};
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
    });
    request.end(body);
  });
}

/** The calls but `batch`, which is made of the others, and `token`, which is not one of `Calls`. */
export const plainCalls = callNames.filter((name) => !["batch", "token", "authorize/explain"].includes(name));
