/** All rows of the catalogue "Nodes and Redis". */
import type { Row } from "../row.ts";
import { clientRows } from "./clients.ts";
import { failoverRows } from "./failover.ts";
import { lostRows } from "./lost.ts";
import { networkRows } from "./network.ts";
import { nodeRows } from "./nodes.ts";
import { presenceRows } from "./presence.ts";
import { redisRows } from "./redis.ts";

export const rows: readonly Row[] = [
  ...nodeRows,
  ...redisRows,
  ...networkRows,
  ...lostRows,
  ...failoverRows,
  ...clientRows,
  ...presenceRows,
];
