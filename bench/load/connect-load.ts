/**
 * The load process of `connect`. Waves of connections, each with a token of its own in the query: first the TCP
 * connections, which cost the load more than the server, so that no clock could measure the server; then all their
 * requests at once, until the last is greeted; then all are broken off. Prints `ConnectResult`.
 */
import type { Socket } from "node:net";
import { openClient } from "./client.ts";
import { type CpuShares, watchCpu } from "./cpu-time.ts";
import { answer, readJob, type ServerAddress, sleep, targetOf } from "./job.ts";

export interface ConnectJob {
  readonly server: ServerAddress;
  readonly waves: number;
  readonly perWave: number;
}

export interface ConnectResult {
  /** Requests answered, from the first request of a wave to the last greeting. */
  readonly upgradesPerSecond: number;
  /** Meanwhile. */
  readonly cpu: CpuShares;
  /** The server's processor time for one connection: accepted, upgraded, greeted, closed. */
  readonly microseconds: number;
}

/** For the server to accept the last connections of a wave, and to notice that those of the one before are gone. */
const settleMs = 150;

const { server, waves, perWave } = readJob<ConnectJob>();
const target = targetOf(server);

async function wave(from: number): Promise<CpuShares> {
  const tokens = Array.from({ length: perWave }, (_, i) => target.token(from + i)); // signed before anyone waits
  const signed = { ...target, token: (number: number): string => tokens[number - from]! };
  let begin = (): void => {};
  const after = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let connected = 0;
  const opening: Promise<Socket>[] = [];
  for (let i = 0; i < perWave; i += 1) {
    const onConnected = (): void => {
      connected += 1;
    };
    opening.push(openClient(signed, { number: from + i, after, onConnected }));
    while (opening.length - connected > 200) await sleep(1);
  }
  while (connected < perWave) await sleep(1);
  await sleep(settleMs);
  const read = watchCpu(server.pid, [process.pid]);
  begin();
  const sockets = await Promise.all(opening);
  const cpu = read();
  for (const socket of sockets) socket.resetAndDestroy(); // no port stays behind in TIME_WAIT
  await sleep(settleMs);
  return cpu;
}

await wave(0); // warms up
const readAll = watchCpu(server.pid, [process.pid]);
const measured: CpuShares[] = [];
for (let i = 1; i <= waves; i += 1) measured.push(await wave(i * perWave));
const microseconds = (readAll().serverSeconds * 1e6) / (waves * perWave);
const seconds = measured.reduce((sum, cpu) => sum + cpu.seconds, 0);
const mean = (field: keyof CpuShares): number =>
  measured.reduce((sum, cpu) => sum + cpu[field] * cpu.seconds, 0) / seconds;
const serverSeconds = measured.reduce((sum, cpu) => sum + cpu.serverSeconds, 0);
const cpu = { seconds, serverSeconds, server: mean("server"), load: mean("load"), others: mean("others") };
answer({ upgradesPerSecond: (waves * perWave) / seconds, cpu, microseconds } satisfies ConnectResult);
process.exit(0);
