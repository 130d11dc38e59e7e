/**
 * What this machine allows: how many connections fit, and over how many processes and addresses they must be spread.
 *
 * A connection on one machine has two ends: a descriptor in a worker of the gateway and one in a load process, and a port
 * of the client's for its pair of addresses. Sources: proc(5), ip(7), tcp(7).
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { getuid } from "node:process";
import { availableBytes } from "./memory.ts";

export interface Limits {
  /** That one process may open. */
  readonly descriptorsPerProcess: number;
  /** That all processes may still open; `Infinity` for root, whom the kernel does not count. */
  readonly filesLeft: number;
  /** Ephemeral ports between one address of the client and one of the server. */
  readonly portsPerPair: number;
  /** That the connection tracker of the firewall can still take; `Infinity` where it does not look at loopback. */
  readonly trackedLeft: number;
  /** That may be used: what is available, less `memoryKeptBytes`. */
  readonly memoryBytes: number;
}

export interface Plan {
  readonly connections: number;
  readonly workers: number;
  /** With more a worker refuses, so that it keeps descriptors to refuse with. */
  readonly connectionsPerWorkerMax: number;
  readonly loads: number;
  readonly addressesPerLoad: number;
  /** Why there are fewer connections than wanted; "" where there are not. */
  readonly stoppedBy: string;
}

/** Left free for everybody else on the machine. */
export const memoryKeptBytes = 4 * 1024 ** 3;

/** Of a worker: what it has open besides connections, some 30, and handshakes that it is refusing. */
const workerSpare = 200;
const loadSpare = 50;
/** Measured: 9.7 KB in the kernel for both ends, 1.7 KB in the gateway, 0.3 KB in a load process; and what varies. */
const bytesPerConnection = 12_500;
/** A worker and a load process before their first connection. */
const bytesPerProcessPair = 60_000_000;

export async function findLimits(): Promise<Limits> {
  const [, descriptors] = /Max open files\s+\d+\s+(\d+)/.exec(read("/proc/self/limits")) ?? []; // node raises soft to hard
  const [open, , files] = numbersIn("/proc/sys/fs/file-nr");
  const [lowest, highest] = numbersIn("/proc/sys/net/ipv4/ip_local_port_range");
  return {
    descriptorsPerProcess: Math.min(Number(descriptors), ...numbersIn("/proc/sys/fs/nr_open")),
    filesLeft: getuid?.() === 0 ? Number.POSITIVE_INFINITY : files! - open!,
    portsPerPair: highest! - lowest! + 1,
    trackedLeft: await trackedLeft(),
    memoryBytes: availableBytes() - memoryKeptBytes,
  };
}

/** Spreads `wanted` connections, or as many as the limits allow. Throws where that is none. */
export function planOf(wanted: number, limits: Limits): Plan {
  const { descriptorsPerProcess, filesLeft, portsPerPair, trackedLeft, memoryBytes } = limits;
  const connectionsPerWorkerMax = descriptorsPerProcess - workerSpare;
  const perConnection = bytesPerConnection + bytesPerProcessPair / connectionsPerWorkerMax;
  const bounds: readonly (readonly [most: number, by: string])[] = [
    [wanted, ""],
    [Math.floor(memoryBytes / perConnection), `memory: ${gib(memoryBytes)} GiB may be used`],
    [Math.floor(filesLeft / 2), `open files: ${filesLeft} are left (fs.file-max)`],
    [trackedLeft, `tracked connections: ${trackedLeft} are left (nf_conntrack_max)`],
    [workersMax * fairShare(connectionsPerWorkerMax), `descriptors: ${descriptorsPerProcess} a process`],
  ];
  const [connections, stoppedBy] = bounds.reduce((least, bound) => (bound[0] < least[0] ? bound : least));
  if (!(connections > 0)) throw new Error(`cannot open a connection: ${stoppedBy}`);
  const perLoad = descriptorsPerProcess - loadSpare;
  return {
    connections,
    workers: Math.ceil(connections / fairShare(connectionsPerWorkerMax)),
    connectionsPerWorkerMax,
    loads: Math.ceil(connections / perLoad),
    // With more than half of a pair's ports taken each connect() searches long: it tries those of one parity first.
    addressesPerLoad: Math.ceil(perLoad / (portsPerPair / 2)),
    stoppedBy,
  };
}

/** Of the configuration. */
const workersMax = 256;

/**
 * The kernel hands a connection to a worker by a hash of its addresses, as if by chance: the number that a worker gets
 * varies by the root of its mean. With a mean of this one in 30,000 workers gets more than `most`.
 */
const fairShare = (most: number): number => Math.floor((Math.sqrt(most + 4) - 2) ** 2);

/** Looks whether a connection over loopback is tracked. */
async function trackedLeft(): Promise<number> {
  const counted = "/proc/sys/net/netfilter/nf_conntrack_count";
  const server = createServer().listen(0, "127.0.0.1");
  try {
    await once(server, "listening");
    const client = connect((server.address() as { port: number }).port, "127.0.0.1");
    await once(client, "connect");
    const [count = 0] = numbersIn(counted);
    client.destroy();
    return count === 0 ? Number.POSITIVE_INFINITY : numbersIn("/proc/sys/net/netfilter/nf_conntrack_max")[0]! - count;
  } catch {
    return Number.POSITIVE_INFINITY; // there is no tracker
  } finally {
    server.close();
  }
}

const read = (file: string): string => readFileSync(file, "utf8");
const numbersIn = (file: string): readonly number[] => read(file).trim().split(/\s+/).map(Number);
const gib = (bytes: number): string => (bytes / 1024 ** 3).toFixed(1);
