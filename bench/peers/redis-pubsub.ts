/**
 * Peer: Redis' own PUBLISH and SUBSCRIBE, by two bare ioredis clients in the load process itself. No gateway, no
 * WebSocket, no history: the shortest way through Redis, and the yardstick for the latency of a longer one.
 */
import { Redis } from "ioredis";
import type { Bridge } from "../load/bridge-clients.ts";

export async function openPubSub(
  redisPort: number,
  channel: string,
  onMessage: (text: string) => void,
): Promise<Bridge> {
  const [publisher, subscriber] = [new Redis({ port: redisPort }), new Redis({ port: redisPort })];
  subscriber.on("message", (_channel, text) => onMessage(text));
  await subscriber.subscribe(channel);
  return {
    publish: (text) => void publisher.publish(channel, text),
    flush: () => {},
  };
}
