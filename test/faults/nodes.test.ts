/** The quick part of the campaign, see `main.ts`: nodes, networks and clients. */
import { testQuickly } from "./quick.ts";
import { clientRows } from "./rows/clients.ts";
import { networkRows } from "./rows/network.ts";
import { nodeRows } from "./rows/nodes.ts";
import { presenceRows } from "./rows/presence.ts";

testQuickly([...nodeRows, ...networkRows, ...clientRows, ...presenceRows], "node-killed");
