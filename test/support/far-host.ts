/**
 * Another machine on a wire of its own: a network namespace of Linux. What is lost on the wire is lost in both directions
 * and nobody is told, neither by FIN nor by RST nor by a link that goes down; and the far kernel has its own buffers.
 *
 * It takes root with the rights to make namespaces and links, which containers seldom have: tests that cannot have it are
 * skipped with the reason, and what `TestProxy` can do is tested besides. All of it goes with the process that holds it.
 */
import { execFile } from "node:child_process";
import { readlink } from "node:fs/promises";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { Child, type Lifetime, until } from "./child.ts";
import { ensureCommand } from "./debian.ts";

const run = promisify(execFile);

const near = { device: `tg${process.pid}`, hardware: "02:00:00:00:00:01" };
const far = { device: "far", hardware: "02:00:00:00:00:02" };
const nobody = "02:00:00:00:00:03";
let hosts = 0; // that this process has had

export class FarHost {
  /** Of this machine, as the far one sees it. */
  readonly here: string;
  readonly there: string;
  readonly #t: Lifetime;
  readonly #ip: string;
  readonly #within: readonly string[];
  readonly #device: string;

  private constructor(t: Lifetime, ip: string, pid: number) {
    hosts += 1;
    const net = `198.18.${process.pid % 256}`; // a range for measurements between machines (RFC 2544)
    this.here = `${net}.${4 * hosts + 1}`;
    this.there = `${net}.${4 * hosts + 2}`;
    this.#t = t;
    this.#ip = ip;
    this.#within = ["nsenter", "--target", `${pid}`, "--net"];
    this.#device = `${near.device}x${hosts}`;
  }

  /** Connects it; `undefined`, and the test is skipped, where this machine does not let us. */
  static async open(t: TestContext): Promise<FarHost | undefined> {
    try {
      const pid = await holdNamespace(t);
      const host = new FarHost(t, await ensureCommand("ip", "iproute2"), pid);
      await host.#connect(pid);
      return host;
    } catch (error) {
      const reason = ((error as { stderr?: string }).stderr || (error as Error).message).trim().split("\n").at(-1);
      t.skip(`no network that loses packets: it takes root with CAP_SYS_ADMIN and CAP_NET_ADMIN (${reason})`);
      return undefined;
    }
  }

  /** Starts a program over there. */
  start(command: string, args: readonly string[]): Child {
    const [enter, ...rest] = this.#within as [string, ...string[]];
    return new Child(this.#t, enter, [...rest, command, ...args]);
  }

  /** Sets a number of its kernel, for sockets that are made from now on. */
  async set(name: string, value: string): Promise<void> {
    await this.#there("sh", "-c", `echo "${value}" > /proc/sys/${name.replaceAll(".", "/")}`);
  }

  /** From now on nothing arrives on either side. Each takes a stranger's address for the other's; the link stays up. */
  losePackets(): Promise<void> {
    return this.#address(nobody, nobody);
  }

  findPackets(): Promise<void> {
    return this.#address(near.hardware, far.hardware);
  }

  async #connect(pid: number): Promise<void> {
    const peer = ["peer", "name", far.device, "address", far.hardware, "netns", `${pid}`];
    await run(this.#ip, ["link", "add", this.#device, "address", near.hardware, "type", "veth", ...peer]);
    // The namespace would keep it for minutes, for connections that nobody answers.
    this.#t.after(() => run(this.#ip, ["link", "delete", this.#device]).catch(() => {}));
    await run(this.#ip, ["address", "add", `${this.here}/30`, "dev", this.#device]);
    await run(this.#ip, ["link", "set", this.#device, "up"]);
    await this.#there(this.#ip, "address", "add", `${this.there}/30`, "dev", far.device);
    await this.#there(this.#ip, "link", "set", far.device, "up");
    await this.findPackets();
  }

  async #address(ofHere: string, ofThere: string): Promise<void> {
    const is = (address: string, hardware: string, device: string): string[] => [
      "neighbour",
      "replace",
      address,
      "lladdr",
      hardware,
      "dev",
      device,
      "nud",
      "permanent",
    ];
    await run(this.#ip, is(this.there, ofThere, this.#device));
    await this.#there(this.#ip, ...is(this.here, ofHere, far.device));
  }

  async #there(...command: readonly string[]): Promise<void> {
    const [enter, ...rest] = this.#within as [string, ...string[]];
    await run(enter, [...rest, ...command]);
  }
}

/** The id of a process that lives in a network namespace of its own, which ends with it. */
async function holdNamespace(t: Lifetime): Promise<number> {
  const holder = new Child(t, "unshare", ["--net", "sleep", "600"]);
  holder.process.on("error", () => {}); // no such program
  const { pid } = holder.process;
  if (pid === undefined) throw new Error("there is no unshare");
  const own = await readlink("/proc/self/ns/net");
  await until(
    async () => {
      if (!holder.isRunning) throw new Error(holder.output);
      return (await readlink(`/proc/${pid}/ns/net`).catch(() => own)) !== own;
    },
    () => "no namespace",
  );
  return pid;
}
