/** Everything that a gateway has, in use: a backend that is asked and told, calls, members, both formats, tokens. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Lifetime } from "../support/child.ts";
import { connect } from "../support/client.ts";
import { testSecret } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { type Stage, urlOf } from "./stage.ts";

export interface Backend {
  readonly url: string;
  /** Requests that it has had. */
  readonly requests: number;
}

/** Says yes to every question, and takes every event. */
export async function startBackend(t: Lifetime): Promise<Backend> {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    request.resume().on("end", () => response.end('{"allow":true,"ttl":5}'));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get requests() {
      return requests;
    },
  };
}

/** Settings with all of it on, and everything that is kept bounded so low that it is full within two minutes. */
export const featureSettings = ({ url }: Backend): Readonly<Record<string, unknown>> => ({
  auth: { secret: testSecret },
  compression: "shared",
  presence: { leaveGraceSeconds: 1 },
  channels: {
    "chat.>": { history: { size: 2000, seconds: 60 } },
    "orders.>": { publish: ["anyone"], authorize: { url: `${url}/authorize`, on: ["subscribe"] } },
  },
  idempotency: { seconds: 60, keysMax: 50_000 },
  webhooks: [{ url: `${url}/hooks`, secret: testSecret }],
  callouts: { connect: { url: `${url}/connect` }, secret: testSecret },
});

/** Uses them, a client a turn, until the stage ends. What fails while a fault is on is tried again by the next one. */
export class FeatureUse {
  /** Publications that were acknowledged, and those of which no answer came. */
  published = 0;
  uncertain = 0;
  #isOver = false;
  #running: Promise<void> | undefined;
  readonly #stage: Stage;

  constructor(stage: Stage) {
    this.#stage = stage;
    stage.lifetime.after(() => this.rest());
  }

  start(): void {
    this.#isOver = false;
    this.#running = this.#run();
  }

  async rest(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let turn = 0; !this.#isOver; turn += 1) {
      const ends: (() => unknown)[] = [];
      await this.#visit(turn, { after: (end) => ends.push(end) }).catch(() => {});
      for (const end of ends) await end();
      await sleep(100);
    }
  }

  async #visit(turn: number, life: Lifetime): Promise<void> {
    const { nodes } = this.#stage;
    const node = nodes[turn % nodes.length]!;
    const format = turn % 2 === 0 ? {} : { subprotocols: ["tidegate.msgpack.v1"] };
    const query = turn % 3 === 0 ? "" : `?token=${token({ user_id: `user${turn % 7}` })}`;
    const client = await connect(life, `${urlOf(node)}/${query}`, { handshakeTimeout: 2000, ...format });
    for (const channel of ["presence.lobby", "orders.1", "chat.aside"]) client.request("subscribe", { channel });
    client.request("presence", { channel: "presence.lobby" });
    client.request("history", { channel: "chat.aside", limit: 10 });
    await this.#publish(client.ask("message", { channel: "orders.1", message: { turn } }));
    const request = {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ channel: "orders.1", message: turn }),
      signal: AbortSignal.timeout(2000),
    };
    const call = fetch(`http://127.0.0.1:${node.adminPort}/api/v1/publish`, request);
    await this.#publish(
      call.then(async (response) => ({ success: response.ok, ...((await response.json()) as object) })),
    );
    await sleep(100);
  }

  async #publish(answer: Promise<{ readonly success?: unknown }>): Promise<void> {
    this.uncertain += 1;
    const { success } = await answer;
    if (success !== true) return;
    this.uncertain -= 1;
    this.published += 1;
  }
}
