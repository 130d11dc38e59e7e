import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { connect } from "../support/client.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

interface Process {
  readonly child: ChildProcess;
  readonly url: string;
  readonly adminUrl: string;
  readonly publicUrl: string;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Resolves to the first log line with this message. */
  logged(message: string): Promise<Record<string, unknown>>;
}

/** `tidegate serve` as a process of its own, on free ports; killed when the test ends. */
async function serve(t: TestContext, env: Record<string, string>, command: readonly string[] = []): Promise<Process> {
  const ports = { TIDEGATE_PORT: "0", TIDEGATE_ADMIN_PORT: "0", TIDEGATE_HOST: "127.0.0.1" };
  const [program = process.execPath, ...before] = [...command, process.execPath];
  const child = spawn(program, [...before, "--import", "tsx", main, "serve"], {
    env: { PATH: process.env.PATH, ...ports, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const exited = once(child, "exit").then(([code, signal]) => ({ code, signal }));
  const lines: Record<string, unknown>[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout! }).on("line", (line) => {
    lines.push(JSON.parse(line));
    for (const look of waiting) look();
  });
  const logged = (message: string): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const line = lines.find(({ msg }) => msg === message);
        if (line !== undefined) resolve(line);
      };
      waiting.add(look);
      exited.then(() => reject(new Error(`ended before it logged "${message}": ${JSON.stringify(lines)}`)));
      look();
    });
  const { port, adminPort } = await logged("listening");
  return {
    child,
    url: `ws://127.0.0.1:${port}`,
    publicUrl: `http://127.0.0.1:${port}`,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    exited,
    logged,
  };
}

const status = async (url: string): Promise<number> => (await fetch(url)).status;

describe("SIGTERM", () => {
  it("makes the node not ready at once while it still accepts, then sends every connection elsewhere, and ends with 0", async (t) => {
    const env = { TIDEGATE_DRAIN__DELAY_SECONDS: "2", TIDEGATE_DRAIN__SECONDS: "1" };
    const { child, url, adminUrl, publicUrl, exited, logged } = await serve(t, env);
    assert.deepEqual([await status(`${adminUrl}/readyz`), await status(`${publicUrl}/readyz`)], [200, 200]);
    const early = await Promise.all(Array.from({ length: 20 }, () => connect(t, url)));
    child.kill("SIGTERM");
    await logged("draining; a second signal ends at once");
    assert.deepEqual([await status(`${adminUrl}/readyz`), await status(`${publicUrl}/readyz`)], [503, 503]);
    assert.deepEqual([await status(`${adminUrl}/healthz`), await status(`${publicUrl}/healthz`)], [200, 200]);
    const late = await connect(t, url); // sent here by a balancer that has not noticed yet
    const retries = new Set<unknown>();
    for (const client of [...early, late]) {
      const { retry_in_ms } = await client.next({ action: "reconnect" });
      assert.equal(Number.isInteger(retry_in_ms), true);
      retries.add(retry_in_ms);
      assert.equal((await client.close()).code, 1001);
    }
    assert.ok(retries.size > 5, "each has its own time to come back");
    assert.deepEqual(await exited, { code: 0, signal: null });
  });

  it("ends at once when it comes a second time", async (t) => {
    const env = { TIDEGATE_DRAIN__DELAY_SECONDS: "300" };
    const { child, exited, logged } = await serve(t, env);
    child.kill("SIGTERM");
    await logged("draining; a second signal ends at once");
    child.kill("SIGTERM");
    assert.deepEqual(await exited, { code: 143, signal: null });
  });

  it("ends a node that is process 1 of its container as well", async (t) => {
    const attempt = spawnSync("unshare", ["--pid", "--fork", "true"], { encoding: "utf8" });
    if (attempt.status !== 0) return t.skip(`no process namespace of its own here: ${attempt.stderr ?? attempt.error}`);
    const env = { TIDEGATE_DRAIN__DELAY_SECONDS: "0", TIDEGATE_DRAIN__SECONDS: "0" };
    const { child, url, logged, exited } = await serve(t, env, ["unshare", "--pid", "--fork", "--kill-child"]);
    const client = await connect(t, url);
    assert.equal((await logged("listening")).pid, 1);
    const [inner] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").split(" ");
    process.kill(Number(inner), "SIGTERM");
    assert.equal((await client.close()).code, 1001);
    assert.equal((await exited).code, 0);
  });
});

describe("SIGINT", () => {
  it("drains without the delay: whoever presses Ctrl-C has no balancer that must notice first", async (t) => {
    const env = { TIDEGATE_DRAIN__DELAY_SECONDS: "300", TIDEGATE_DRAIN__SECONDS: "0" };
    const { child, url, exited } = await serve(t, env);
    const client = await connect(t, url);
    child.kill("SIGINT");
    assert.equal((await client.close()).code, 1001);
    assert.deepEqual(await exited, { code: 0, signal: null });
  });
});

describe("A port that is taken", () => {
  it("ends the process with 1 and one line that says what to do", async (t) => {
    const { url } = await serve(t, {});
    const second = spawn(process.execPath, ["--import", "tsx", main, "serve"], {
      env: {
        PATH: process.env.PATH,
        TIDEGATE_HOST: "127.0.0.1",
        TIDEGATE_PORT: new URL(url).port,
        TIDEGATE_ADMIN_PORT: "0",
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let errors = "";
    second.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    assert.equal((await once(second, "close"))[0], 1);
    assert.match(errors, /^tidegate: cannot listen on 127\.0\.0\.1:\d+: the port is in use; .*\n$/);
  });
});
