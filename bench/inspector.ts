/** Orders collections in a process that runs with `--inspect`, through the DevTools protocol. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

export interface HeapUsage {
  readonly usedSize: number;
  readonly totalSize: number;
}

export class Inspector {
  readonly #socket: WebSocket;
  #calls = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Reads the address from the process' standard error, of which the rest is handed on. Rejects where it ends before. */
  static async of(child: ChildProcess): Promise<Inspector> {
    const address = await new Promise<string>((resolve, reject) => {
      child.once("exit", (status) => reject(new Error(`the process to inspect ended with ${status}`)));
      createInterface(child.stderr!).on("line", (line) => {
        const found = /^Debugger listening on (ws:\S+)/.exec(line)?.[1];
        if (found !== undefined) resolve(found);
        else if (!/^(For help, see|Debugger attached)/.test(line)) process.stderr.write(`${line}\n`);
      });
    });
    const socket = new WebSocket(address);
    await once(socket, "open");
    return new Inspector(socket);
  }

  /** Collects all garbage; bytes of V8's heap afterwards, in use and in all. */
  async collectGarbage(): Promise<HeapUsage> {
    await this.#call("HeapProfiler.collectGarbage");
    await this.#call("HeapProfiler.collectGarbage"); // what finalizers of the first one have let go
    return this.#call("Runtime.getHeapUsage");
  }

  async #call<Result>(method: string): Promise<Result> {
    this.#calls += 1;
    const id = this.#calls;
    this.#socket.send(JSON.stringify({ id, method }));
    for (;;) {
      const [text] = (await once(this.#socket, "message")) as [Buffer];
      const answer = JSON.parse(text.toString());
      if (answer.id !== id) continue;
      if (answer.error !== undefined) throw new Error(`the inspector refused ${method}: ${answer.error.message}`);
      return answer.result;
    }
  }
}
