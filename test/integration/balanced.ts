/** What every balancer in front of Tidegate must do, whichever it is. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { account, assertNothingLost } from "../support/account.ts";
import { until } from "../support/child.ts";
import { CountingClient } from "../support/counting-client.ts";
import type { NodeProcess } from "../support/node-process.ts";
import { allDelivered } from "../support/traffic.ts";

/** Settings of nodes behind a balancer on this machine; `drain.delaySeconds` is the balancer's to say. */
export const settingsBehindBalancer = {
  trustedProxies: ["127.0.0.1"],
  channels: { "chat.>": { history: { size: 5000, seconds: 60 } } },
};

/** How a balancer's operator restarts a node. */
export interface Restart {
  /** Before the node gets its SIGTERM. */
  readonly before?: (node: NodeProcess, index: number) => Promise<void>;
  /** Starts it again; resolves once the balancer may give it clients. */
  readonly startAgain: (node: NodeProcess, index: number) => Promise<void>;
}

/** Restarts `nodes` one after the other while clients of `url` chat: nobody is refused, and nothing is lost. */
export async function restartLosesNothing(
  t: TestContext,
  url: string,
  nodes: readonly NodeProcess[],
  { before, startAgain }: Restart,
): Promise<void> {
  const channels = ["chat.a", "chat.b", "chat.c", "chat.d"];
  const clientOn = (channel: string, name: string, recovers: boolean): CountingClient =>
    new CountingClient(t, [url], { channel, name }, { keys: true, recovers });
  const clients = Array.from({ length: 24 }, (_, i) => clientOn(channels[i % channels.length]!, `client${i}`, true));
  const forgetful = channels.map((channel, i) => clientOn(channel, `forgetful${i}`, false));
  const everybody = [...clients, ...forgetful];
  await Promise.all(everybody.map((client) => client.subscribed()));
  const load = setInterval(() => {
    for (const client of clients) client.publish();
  }, 60);
  t.after(() => clearInterval(load));
  for (const [index, node] of nodes.entries()) {
    await before?.(node, index);
    await node.child.kill("SIGTERM");
    assert.equal(node.child.process.exitCode, 0);
    await startAgain(node, index);
  }
  clearInterval(load);
  await Promise.all(clients.map((client) => client.settled()));
  const marks = clients.slice(0, channels.length);
  for (const client of marks) client.publish(); // the last word on every channel
  await allDelivered(clients);

  const { acknowledged } = assertNothingLost(clients);
  assert.ok(acknowledged > 2000, `only ${acknowledged} messages were under way`);
  assert.deepEqual(
    everybody.flatMap((client) => client.refused),
    [],
    "nobody was refused",
  );
  // What the test would have shown otherwise: everybody was sent away, and without `since` messages are missed.
  assert.ok(clients.every(({ closes }) => closes >= 1));
  assert.ok(account(everybody).silentLosses.length > 0, "clients that do not recover lose something");
}

/** The addresses of the clients that the node has let in. */
export const addressesIn = (node: NodeProcess): string[] =>
  node.logLines("connection opened").map(({ address }) => address as string);

/** Resolves once a node has logged that it let a client from `address` in. */
export const letIn = (nodes: readonly NodeProcess[], address: string): Promise<void> =>
  until(
    () => nodes.some((node) => addressesIn(node).includes(address)),
    () => `no client came from ${address}, but from ${nodes.flatMap(addressesIn)}`,
  );
