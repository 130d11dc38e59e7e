/** A real Prometheus, with the configuration as it is shipped but for the targets, beside two real nodes under load. */
import assert from "node:assert/strict";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { Child, freePort, temporaryFolder, until } from "../support/child.ts";
import { CountingClient } from "../support/counting-client.ts";
import { ensureCommand } from "../support/debian.ts";
import { startNodeProcess } from "../support/node-process.ts";
import { startRedis } from "../support/redis.ts";

const shipped = fileURLToPath(new URL("../../config", import.meta.url));

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}

test("Prometheus beside two nodes under load", async (t) => {
  const redis = await startRedis(t);
  const settings = { redis: { enabled: true, port: redis.port } };
  const nodes = await Promise.all([startNodeProcess(t, settings), startNodeProcess(t, settings)]);
  const clients = nodes.flatMap(({ port }, node) =>
    [0, 1].map(
      (index) =>
        new CountingClient(t, [`ws://127.0.0.1:${port}`], { channel: "chat.hall", name: `client${node}${index}` }),
    ),
  );
  await Promise.all(clients.map((client) => client.subscribed()));
  const load = setInterval(() => {
    for (const client of clients) client.publish();
  }, 50);
  t.after(() => clearInterval(load));

  const folder = await temporaryFolder(t);
  await cp(join(shipped, "rules"), join(folder, "rules"), { recursive: true });
  const targets = nodes.map(({ adminPort }) => `127.0.0.1:${adminPort}`);
  const text = (await readFile(join(shipped, "prometheus.yml"), "utf8"))
    .replaceAll("15s", "500ms")
    .replace(/\[10\.0\.0\.11:9502, 10\.0\.0\.12:9502\]/, JSON.stringify(targets));
  assert.ok(text.includes(targets[1]!));
  await writeFile(join(folder, "prometheus.yml"), text);
  const port = await freePort();
  new Child(t, await ensureCommand("prometheus", "prometheus"), [
    `--config.file=${join(folder, "prometheus.yml")}`,
    `--storage.tsdb.path=${join(folder, "data")}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);

  const ask = async (query: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> => {
    const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`;
    const answer = (await (await fetch(url)).json()) as { data?: { result: never[] }; error?: string };
    assert.ok(answer.data, `${query}: ${answer.error}`);
    return answer.data.result;
  };
  const isThere = (query: string): Promise<boolean> =>
    ask(query).then(
      (series) => series.length > 0,
      () => false, // Prometheus is not up yet
    );
  await until(
    () => isThere('count(rate(tidegate_publications_total{job="tidegate"}[5s]) > 0) == 2'),
    () => "Prometheus has no rate of both nodes",
  );

  await t.test("every query of the dashboard returns numbers", async () => {
    const dashboard: Dashboard = JSON.parse(await readFile(join(shipped, "grafana-dashboard.json"), "utf8"));
    assert.ok(dashboard.panels.length >= 15);
    for (const { title, targets } of dashboard.panels)
      for (const { expr } of targets) {
        const query = expr.replaceAll("$instance", ".*").replaceAll("$__rate_interval", "5s");
        assert.ok(!query.includes("$"), query);
        await until(
          () => isThere(query), // there is nothing of a node whose scrape was late
          () => `${title}: nothing for ${query}`,
        );
        const series = await ask(query);
        for (const { value } of series) assert.ok(Number.isFinite(Number(value[1])), `${title}: ${value[1]}`);
        if (query.startsWith("sum by (instance)"))
          await until(
            async () => (await ask(query)).length === 2,
            () => `${title}: not both nodes`,
          );
      }
  });

  await t.test("every selector of the rules finds series of both nodes", async () => {
    const { groups } = parse(await readFile(join(shipped, "rules/tidegate.yml"), "utf8"));
    const expressions: string[] = groups.flatMap(({ rules }: { rules: { expr: string }[] }) =>
      rules.map(({ expr }) => expr),
    );
    const selectors = expressions.flatMap((expr) => expr.match(/[a-z_]\w*\{[^}]*\}/g) ?? []);
    assert.ok(selectors.length >= expressions.length);
    for (const selector of selectors)
      await until(
        async () => (await ask(`count by (instance) (${selector})`)).length === 2,
        () => `nothing for ${selector}`,
      );
  });

  await t.test("the recording rules record, and no alert is under way", async () => {
    for (const record of ["tidegate:append_seconds:p99", "tidegate:delivery_seconds:p99", "tidegate:connections:sum"])
      await until(
        () => isThere(`count(${record}) == 2`),
        () => `${record} of both nodes is not recorded`,
      );
    const busy = "TidegateEventLoopLag|TidegateAppendSlow"; // that is how busy this machine is
    await until(
      async () => (await ask(`ALERTS{alertname!~"${busy}"}`)).length === 0,
      () => "an alert is under way",
    );
  });
});
