/** Gateways of one test that share a Redis, in this process. */
import type { TestContext } from "node:test";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { eventually } from "../support/redis.ts";
import { countedSettings } from "../support/traffic.ts";

/** `/readyz` of the node: its status and what it says. */
export async function readiness({ port }: TestGateway): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`);
  return { status: response.status, text: await response.text() };
}

export async function ready(...nodes: TestGateway[]): Promise<void> {
  for (const node of nodes)
    await eventually(async () => (await readiness(node)).status === 200, "ready").catch(async (error) => {
      throw new Error(`${error.message}: ${(await readiness(node)).text}`);
    });
}

/** Resolves once the node says that it is not ready; to why. */
export async function notReady(node: TestGateway): Promise<string> {
  await eventually(async () => (await readiness(node)).status === 503, "not ready");
  return (await readiness(node)).text;
}

/** One ready node for each way to Redis. `redis`: further settings of the bus. */
export async function startNodes(
  t: TestContext,
  urls: readonly string[],
  redis: object = {},
  settings: Record<string, unknown> = {},
): Promise<TestGateway[]> {
  const nodes = await Promise.all(
    urls.map((url) => startTestGateway(t, { ...countedSettings(url, redis), ...settings })),
  );
  await ready(...nodes);
  return nodes;
}

export const urlsOf = (nodes: readonly TestGateway[]): string[] => nodes.map(({ url }) => url);

/** How often the node logged `text`. */
export const logged = ({ logLines }: TestGateway, text: string): number =>
  logLines.filter(({ msg }) => msg === text).length;

export const troubleLine = "Redis is in trouble: publications wait";
export const backLine = "Redis is back: the log goes on";
export const epochLine = "the log has a new epoch: clients are told that they may have missed messages";
