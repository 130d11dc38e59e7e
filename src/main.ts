#!/usr/bin/env node
/** The executable `tidegate`. A failure ends the process at once; after success it ends when nothing is left to do. */
import { run } from "./cli/run.ts";

const status = await run(process.argv.slice(2));
if (status !== 0) process.exit(status);
