/** config/nginx.conf as it is shipped, but for addresses and ports: a real nginx before two nodes with one real Redis. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Child, freePort, temporaryFolder, until } from "../support/child.ts";
import { connect } from "../support/client.ts";
import { ensureCommand } from "../support/debian.ts";
import { type NodeProcess, startNodeProcess } from "../support/node-process.ts";
import { startRedis } from "../support/redis.ts";
import { letIn, restartLosesNothing, settingsBehindBalancer } from "./balanced.ts";

const run = promisify(execFile);
const shipped = fileURLToPath(new URL("../../config/nginx.conf", import.meta.url));

test("Clients behind nginx, two nodes, one Redis", async (t) => {
  const redis = await startRedis(t);
  const drain = { delaySeconds: 0, seconds: 3 };
  const settings = { ...settingsBehindBalancer, drain, redis: { enabled: true, port: redis.port } };
  const nodes = await Promise.all([startNodeProcess(t, settings), startNodeProcess(t, settings)]);
  const nginx = await startNginx(t, nodes);

  await t.test("are known to the node by their own address, whatever they claim to be", async (t) => {
    await connect(t, nginx.url, { localAddress: "127.0.0.9", headers: { "x-forwarded-for": "192.0.2.1" } });
    await letIn(nodes, "127.0.0.9");
  });

  await t.test("do not reach the nodes' health pages", async () => {
    for (const path of ["/healthz", "/readyz"])
      assert.equal((await fetch(`${nginx.url.replace("ws", "http")}${path}`)).status, 403);
  });

  await t.test("lose nothing while a node is restarted, and then one that was taken out of the list", async (t) => {
    const refusals = (): number => nginx.child.output.split("Connection refused").length - 1;
    let refusedBefore = 0;
    await restartLosesNothing(t, nginx.url, nodes, {
      before: async (node, index) => {
        if (index === 0) return;
        refusedBefore = refusals();
        assert.ok(refusedBefore > 0, "no handshake came upon the node that was away");
        await nginx.change(`server 127.0.0.1:${node.port} max_fails=0;`, "max_fails=0;", "max_fails=0 down;");
      },
      startAgain: async (node, index) => {
        await node.start();
        if (index === 0) return;
        assert.equal(refusals(), refusedBefore, "a handshake came upon the node that was taken out");
        await nginx.change(`server 127.0.0.1:${node.port} max_fails=0 down;`, " down;", ";");
      },
    });
  });

  await t.test("reach the node that is back in the list", async (t) => {
    const opened = (): number => nodes[1]!.logLines("connection opened").length;
    await until(
      async () => {
        await connect(t, nginx.url);
        return opened() > 0;
      },
      () => "no client came to it",
    );
  });
});

interface Nginx {
  readonly url: string;
  readonly child: Child;
  /** Changes `from` to `to` in the line, and reloads; resolves once the new workers serve. */
  change(line: string, from: string, to: string): Promise<void>;
}

/** Runs the shipped file with the test's addresses in it; resolves once it serves. */
async function startNginx(t: TestContext, nodes: readonly NodeProcess[]): Promise<Nginx> {
  const port = await freePort();
  const folder = await temporaryFolder(t);
  let text = await readFile(shipped, "utf8");
  const replace = (pattern: string | RegExp, by: string): void => {
    const changed = text.replace(pattern, by);
    assert.notEqual(changed, text, `${pattern} is not in the file`);
    text = changed;
  };
  replace(/^ {8}listen 80;$/m, `        listen 127.0.0.1:${port};`);
  replace(/^pid .*$/m, `pid ${join(folder, "nginx.pid")};`);
  replace(/^error_log stderr warn;$/m, "error_log stderr notice;"); // says when a reload is over
  for (const [index, node] of nodes.entries())
    replace(`server 10.0.0.1${index + 1}:9501 max_fails=0;`, `server 127.0.0.1:${node.port} max_fails=0;`);
  const file = join(folder, "nginx.conf");
  await writeFile(file, text);
  const command = await ensureCommand("nginx", "nginx-light");
  // SIGTERM: its workers would outlive a master that is killed.
  const child = new Child(t, command, ["-c", file, "-g", "daemon off;"], {}, "SIGTERM");
  await until(
    () =>
      fetch(`http://127.0.0.1:${port}/`).then(
        ({ status }) => status === 426,
        () => false,
      ),
    () => `nginx does not serve: ${child.output}`,
  );
  return {
    url: `ws://127.0.0.1:${port}`,
    child,
    async change(line, from, to) {
      replace(line, line.replace(from, to));
      await writeFile(file, text);
      const isShuttingDown = () => child.output.split("gracefully shutting down").length;
      const before = isShuttingDown();
      await run(command, ["-c", file, "-s", "reload"]);
      await until(
        () => isShuttingDown() > before,
        () => `nginx does not reload: ${child.output}`,
      );
    },
  };
}
