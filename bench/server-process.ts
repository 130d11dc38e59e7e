/** One server at a time, on a core of its own: started, waited for, and ended when its measurement is over. */
import { once } from "node:events";
import { connect } from "node:net";
import type { ServerAddress } from "./load/job.ts";
import { ended, serverCore, spawnPinned } from "./pinned.ts";
import type { Server } from "./servers.ts";

const port = 9599;
const startMs = 15_000;
const pollMs = 25;

/** Starts `server`, hands it to `use`, and ends it whatever happens. */
export async function withServer<T>(server: Server, use: (address: ServerAddress) => Promise<T>): Promise<T> {
  if (await answers()) throw new Error(`cannot start ${server.name}: port ${port} must be free`);
  const child = spawnPinned(serverCore, server.command(port), server.env);
  child.stdout!.resume();
  const gone = once(child, "exit").then(([status, signal]) => {
    throw new Error(`${server.name} ended with ${status ?? signal}`);
  });
  try {
    await Promise.race([gone, listening(server)]);
    return await Promise.race([gone, use({ port, pid: child.pid!, dialect: server.dialect })]);
  } finally {
    gone.catch(() => {}); // from here on it is meant to end
    await ended(child);
  }
}

async function listening({ name }: Server): Promise<void> {
  for (const endMs = performance.now() + startMs; !(await answers()); await sleep(pollMs))
    if (performance.now() > endMs) throw new Error(`${name} did not listen within ${startMs} ms`);
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function answers(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.on("connect", () => resolve(true));
    socket.on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}
