/** All rows of the catalogue "Nodes and Redis". */
import type { Row } from "../row.ts";
import { networkRows } from "./network.ts";
import { nodeRows } from "./nodes.ts";
import { redisRows } from "./redis.ts";

export const rows: readonly Row[] = [...nodeRows, ...redisRows, ...networkRows];
