/** The log as the configuration wants it: in this process, or in Redis. */
import type { Bus } from "../bus/bus.ts";
import type { BusLog, BusStatus } from "../bus/bus-status.ts";
import { MemoryBus } from "../bus/memory-bus.ts";
import { RedisBus } from "../bus/redis-bus.ts";
import type { Config } from "../config/config-schema.ts";

/** `knownNodes` lists the incarnations that have members. */
export function createBus(config: Config, status: BusStatus, log: BusLog, knownNodes: () => readonly string[]): Bus {
  return config.redis.enabled ? new RedisBus(config.redis, status, log, knownNodes) : new MemoryBus();
}
