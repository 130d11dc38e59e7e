/** The quick part of the campaign, see `main.ts`: Redis away, Redis that lost something, and failovers. */
import { testQuickly } from "./quick.ts";
import { failoverRows } from "./rows/failover.ts";
import { lostRows } from "./rows/lost.ts";
import { redisRows } from "./rows/redis.ts";

testQuickly([...redisRows, ...lostRows, ...failoverRows], "last-of-a-burst-lost");
