/**
 * The load process of `connect`: opens connections, each with a token of its own in the query, a number of them under way
 * at once, and breaks each off as soon as it is greeted. Prints `ConnectResult`.
 */
import { openClient } from "./client.ts";
import { type CpuShares, watchCpu } from "./cpu-time.ts";
import { answer, readJob, type ServerAddress, sleep, targetOf } from "./job.ts";

export interface ConnectJob {
  readonly server: ServerAddress;
  readonly warmUp: number;
  readonly count: number;
  readonly underWay: number;
}

export interface ConnectResult {
  readonly perSecond: number;
  readonly cpu: CpuShares;
}

/** For the server to notice that the last ones are gone. */
const settleMs = 100;

const { server, warmUp, count, underWay } = readJob<ConnectJob>();
const target = targetOf(server);
const tokens = Array.from({ length: warmUp + count }, (_, number) => target.token(number)); // signed before anyone waits
const signed = { ...target, token: (number: number): string => tokens[number]! };

async function open(from: number, to: number): Promise<void> {
  let next = from;
  const one = async (): Promise<void> => {
    while (next < to) {
      next += 1;
      const socket = await openClient(signed, { number: next - 1 });
      socket.resetAndDestroy(); // no port stays behind in TIME_WAIT
    }
  };
  await Promise.all(Array.from({ length: underWay }, one));
}

await open(0, warmUp);
await sleep(settleMs);
const read = watchCpu(server.pid, [process.pid]);
const startMs = performance.now();
await open(warmUp, warmUp + count);
const perSecond = (count * 1000) / (performance.now() - startMs);
const cpu = read();
answer({ perSecond, cpu } satisfies ConnectResult);
process.exit(0);
