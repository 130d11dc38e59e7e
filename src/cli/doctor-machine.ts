/** The doctor on this machine: the limit of open files, and the two ports. */
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
