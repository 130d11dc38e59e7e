/** Redis that is away and comes back with its data: connections stay, publications wait, nothing is missing. */
import type { Row } from "../row.ts";

export const redisRows: readonly Row[] = [
  {
    name: "redis-killed",
    title: "Redis killed under load, and started again with its data: publications wait, and nothing is missing",
    isQuick: true,
    keepsConnections: true,
    async run(stage) {
      await stage.pause(0, 500);
      await stage.strike(() => stage.redis.stop("SIGKILL"));
      await stage.fired(
        (await stage.notReady()).every((reason) => /Redis: /.test(reason)),
        "every node says so",
      );
      await stage.pause(1000, 2000);
      await stage.redis.start();
    },
  },
];
