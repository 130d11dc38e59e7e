/** A worker's way to webhooks: its events go to the supervisor, which has the queues and sends what is in them. */
import type { NodeWebhooks } from "../gateway/node-webhooks.ts";
import { limited } from "../log/limited-log.ts";
import type { Log } from "../log/log.ts";
import type { WebhookEvent } from "../webhooks/event.ts";
import type { EventName, WebhookOptions } from "../webhooks/webhook-options.ts";

/** Events on their way to a supervisor that does not take them. */
const unsentMax = 20_000;

/** `send` calls `sent` once the events are written. `undefined` where no webhook is configured. */
export function createWebhookPipe(
  webhooks: readonly WebhookOptions[],
  log: Log,
  send: (events: readonly WebhookEvent[], sent: () => void) => void,
): NodeWebhooks | undefined {
  if (webhooks.length === 0) return undefined;
  const wanted = new Set<EventName>(webhooks.flatMap(({ events }) => events));
  const limitedLog = limited(log, { linesPerSecond: 1 });
  let collected: WebhookEvent[] = [];
  let unsent = 0; // collected, or handed to `send`
  let stopped: (() => void) | undefined;
  const flush = (): void => {
    const events = collected;
    collected = [];
    if (events.length > 0)
      send(events, () => {
        unsent -= events.length;
        if (unsent === 0) stopped?.();
      });
  };
  return {
    sink: {
      wants: (event) => wanted.has(event),
      emit(event) {
        if (unsent >= unsentMax) return limitedLog.warn({}, "the supervisor is slow: webhook events are dropped");
        unsent += 1;
        collected.push(event);
        if (collected.length === 1) setImmediate(flush);
      },
    },
    async stop() {
      flush();
      if (unsent === 0) return;
      await new Promise<void>((resolve) => {
        stopped = resolve;
      });
    },
  };
}
