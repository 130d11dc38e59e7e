/** config/nginx.conf as it is shipped, but for addresses and ports: a real nginx before two nodes with one real Redis. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { Child, freePort, temporaryFolder, until } from "../support/child.ts";
import { connect } from "../support/client.ts";
import { ensureCommand } from "../support/debian.ts";
import { type NodeProcess, startNodeProcess } from "../support/node-process.ts";
import { startRedis } from "../support/redis.ts";
import { letIn, settingsBehindBalancer } from "./balanced.ts";

const shipped = fileURLToPath(new URL("../../config/nginx.conf", import.meta.url));

test("Clients behind nginx, two nodes, one Redis", async (t) => {
  const redis = await startRedis(t);
  const settings = { ...settingsBehindBalancer, redis: { enabled: true, port: redis.port } };
  const nodes = await Promise.all([startNodeProcess(t, settings), startNodeProcess(t, settings)]);
  const url = await startNginx(t, nodes);

  await t.test("are known to the node by their own address, whatever they claim to be", async (t) => {
    await connect(t, url, { localAddress: "127.0.0.9", headers: { "x-forwarded-for": "192.0.2.1" } });
    await letIn(nodes, "127.0.0.9");
  });

  await t.test("do not reach the nodes' health pages", async () => {
    for (const path of ["/healthz", "/readyz"])
      assert.equal((await fetch(`${url.replace("ws", "http")}${path}`)).status, 403);
  });
});

/** Runs the shipped file with the test's addresses in it; resolves to where it serves, once it does. */
async function startNginx(t: TestContext, nodes: readonly NodeProcess[]): Promise<string> {
  const port = await freePort();
  const folder = await temporaryFolder(t);
  let text = await readFile(shipped, "utf8");
  const replace = (pattern: RegExp, by: string): void => {
    assert.match(text, pattern);
    text = text.replace(pattern, by);
  };
  replace(/^ {8}listen 80;$/m, `        listen 127.0.0.1:${port};`);
  replace(/^pid .*$/m, `pid ${join(folder, "nginx.pid")};`);
  for (const [index, node] of nodes.entries())
    replace(new RegExp(`server 10\\.0\\.0\\.1${index + 1}:9501 `), `server 127.0.0.1:${node.port} `);
  const file = join(folder, "nginx.conf");
  await writeFile(file, text);
  // Debian keeps it in /usr/sbin, which is not on everybody's PATH. One process: workers would outlive a master that is killed.
  const child = new Child(t, await ensureCommand("nginx", "nginx-light"), [
    "-c",
    file,
    "-g",
    "daemon off; master_process off;",
  ]);
  await until(
    () =>
      fetch(`http://127.0.0.1:${port}/`).then(
        ({ status }) => status === 426,
        () => false,
      ),
    () => `nginx does not serve: ${child.output}`,
  );
  return `ws://127.0.0.1:${port}`;
}
