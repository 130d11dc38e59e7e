/** The doctor on this machine: the limit of open files, the buffers of sockets, and the two ports. */
import { readFileSync } from "node:fs";
import { findSharedPort } from "../cluster/shared-port.ts";
import type { Config } from "../config/config-schema.ts";
import { descriptorFault, descriptorLimit, descriptorsBeside } from "../gateway/descriptors.ts";
import type { Finding } from "./finding.ts";

/** The limit is that of the doctor's own process, which has it from whoever started it. */
export function examineDescriptors({ maxConnections }: Pick<Config, "maxConnections">): Finding {
  const subject = "open files";
  const limit = descriptorLimit();
  if (limit === undefined)
    return { subject, status: "warning", text: "the limit is not known on this system: see `ulimit -Hn`" };
  const fault = descriptorFault(limit, maxConnections);
  if (fault !== undefined) return { subject, status: "problem", text: fault };
  const wanted = maxConnections === 0 ? "maxConnections is 0" : `maxConnections is ${maxConnections}`;
  return { subject, status: "ok", text: `${limit}, enough for ${limit - descriptorsBeside} connections; ${wanted}` };
}

/** uWebSockets.js reads on from one socket for as long as that fills its own buffer of this size. */
const receiveBufferMax = 512 * 1024;

/** `file` holds the least, the usual and the greatest size of a TCP receive buffer, in bytes. */
export function examineReceiveBuffers(file = "/proc/sys/net/ipv4/tcp_rmem"): Finding {
  const subject = "receive buffers";
  let greatest: number;
  try {
    greatest = Number(readFileSync(file, "utf8").trim().split(/\s+/)[2]);
  } catch {
    return { subject, status: "warning", text: "their size is not known on this system" };
  }
  const text = `up to ${Math.round(greatest / 1024)} KiB (net.ipv4.tcp_rmem)`;
  if (greatest < receiveBufferMax) return { subject, status: "ok", text };
  const advice =
    'one fast sender may hold up everybody: sysctl -w net.ipv4.tcp_rmem="4096 65536 131072", see SECURITY.md';
  return { subject, status: "warning", text: `${text}: ${advice}` };
}

/** Both ports, opened and closed again; one that a gateway holds already is as it should be. */
export async function examinePorts(config: Config): Promise<Finding[]> {
  const { host, port, adminHost, adminPort } = config;
  const faults = await Promise.all([listenFault(host, port), listenFault(adminHost, adminPort)]);
  const isRunning = faults[1]?.code === "EADDRINUSE" && (await isGateway(adminHost, adminPort));
  return faults.map((fault, index) => {
    const [subject, number] = index === 0 ? ["port", port] : ["admin port", adminPort];
    if (fault === undefined)
      return { subject, status: "ok", text: number === 0 ? "any free one" : `${number} is free` } as const;
    if (isRunning && fault.code === "EADDRINUSE")
      return { subject, status: "ok", text: `${number} is in use, and a gateway is running` } as const;
    return { subject, status: "problem", text: fault.message } as const;
  });
}

/** Why the port cannot be opened, as `serve` would say it; `undefined` where it can. */
const listenFault = (host: string, port: number): Promise<NodeJS.ErrnoException | undefined> =>
  findSharedPort(host, port).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error,
  );

/** Whether the admin port of a gateway answers there. */
async function isGateway(host: string, port: number): Promise<boolean> {
  const reachable = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  const address = reachable.includes(":") ? `[${reachable}]` : reachable;
  try {
    const answer = await fetch(`http://${address}:${port}/metrics`, { signal: AbortSignal.timeout(2000) });
    return (await answer.text()).includes("\ntidegate_ready ");
  } catch {
    return false;
  }
}
