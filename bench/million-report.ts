/** The scenario `million` as it is read on a terminal. */
import type { MillionFigures } from "./million.ts";

export function printMillion(figures: MillionFigures): void {
  const { wanted, connections, stoppedBy, workers, loads, addresses, refused, perWorker, lost, wrong } = figures;
  const { connectSeconds, connectMicros, reachSeconds, reached, idleCores, startBytes, grownBytes } = figures;
  print(`million: ${count(connections)} idle connections on one gateway, subscribed to 1,000 channels`);
  print(`  ${workers} workers, ${loads} load processes, ${addresses} loopback addresses`);
  print(
    `  a worker had ${count(perWorker.least)} to ${count(perWorker.most)}; full ones refused ${count(refused)} times`,
  );
  print(`  ${connectSeconds.toFixed(1)} s to connect all: ${count(connections / connectSeconds)} a second`);
  print(
    `    processor time for one: ${Math.round(connectMicros.gateway)} µs of the gateway, ${Math.round(connectMicros.loads)} µs of the load`,
  );
  print(`  ${reachSeconds.toFixed(2)} s to bring a message to ${count(reached)}; ${wrong} wrong, ${lost} lost`);
  print(`  ${idleCores.toFixed(2)} cores used by the gateway while all was silent`);
  const row = (memory: string, startMib: number | undefined, grown: number) => ({
    memory,
    "MiB at the start": startMib === undefined ? "" : mib(startMib),
    "MiB more": mib(grown),
    "bytes/connection": Math.round(grown / connections),
  });
  const { gateway, loads: loadsGrown, kernel } = grownBytes;
  console.table([
    row("gateway's processes", startBytes.gateway, gateway),
    row("load processes", startBytes.loads, loadsGrown),
    row("kernel, both ends", undefined, kernel),
    row("all", startBytes.gateway + startBytes.loads, gateway + loadsGrown + kernel),
  ]);
  if (connections < wanted) print(`stopped before ${count(wanted)} by ${stoppedBy}`);
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const count = (value: number): string => Math.round(value).toLocaleString("en");
const mib = (bytes: number): number => Math.round(bytes / 1024 ** 2);
