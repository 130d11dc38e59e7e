/** A gateway that is one process: a node with its own log, its webhooks, and the admin port. */
import { Members } from "../channel/presence.ts";
import type { Config } from "../config/config-schema.ts";
import type { Hooks } from "../guard/hooks.ts";
import type { Log } from "../log/log.ts";
import { ApiCounters } from "../metrics/api-counters.ts";
import { Health } from "../metrics/health.ts";
import { openAdminPort } from "./admin-port.ts";
import { createBus } from "./create-bus.ts";
import { type Gateway, type Node, startNode } from "./gateway.ts";
import { createWebhooks, knownNodes } from "./node-webhooks.ts";

/** Starts a gateway. Rejects where a port, a key or a certificate cannot be had; nothing is left open then. */
export async function startGateway(config: Config, log: Log, hooks?: Hooks): Promise<Gateway & Pick<Node, "ready">> {
  const health = new Health();
  const members = new Members(config.redis.enabled ? config.redis.shards : 1);
  const status = { block: (reason: string) => health.block("bus", reason), clear: () => health.clear("bus") };
  const apiCounters = new ApiCounters();
  const webhooks = createWebhooks(config, log, (name) => name === bus.incarnation);
  const bus = createBus(config, status, log, () => knownNodes(members, webhooks));
  let node: Node | undefined;
  try {
    node = await startNode(config, log, { bus, health, members, sharesPort: false, hooks, webhooks, apiCounters });
    const { port, ready, calls, metrics, reloadCertificate, stop: stopNode } = node;
    const admin = await openAdminPort(config, { metrics, health, publicPort: port, calls, apiCounters, log });
    const stop: Gateway["stop"] = async (drain) => {
      await stopNode(drain);
      admin.stop();
    };
    return { port, ready, adminPort: admin.port, calls, reloadCertificate, stop };
  } catch (error) {
    await (node === undefined ? bus.stop() : node.stop({ delaySeconds: 0, seconds: 0 }));
    await webhooks?.stop();
    throw error;
  }
}
