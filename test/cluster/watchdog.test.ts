import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { it } from "node:test";
import { temporaryFolder, until } from "../support/child.ts";
import { connectToAll, isRunning, startWorkerCluster } from "./worker-cluster.ts";

const hooks = `
export function onMessage({ message }) {
  if (message === "loop") spin();
  if (message === "regular expression") /^(\\w+\\s?)*$/.test("an innocent looking text of some words which never ends!");
}
function spin() {
  for (;;);
}
`;

it("Workers whose event loop a hook holds up are named with what holds them up, ended and replaced; the others go on", async (t) => {
  const file = join(await temporaryFolder(t), "hooks.mjs");
  await writeFile(file, hooks);
  const cluster = await startWorkerCluster(t, { workers: 3, hooks: { module: file } });
  const [[looping], [matching], [bystander]] = (await connectToAll(t, cluster)) as unknown as [
    [Client],
    [Client],
    [Client],
  ];
  const [first, second] = cluster.workers();
  for (const client of [looping, matching, bystander]) await client.subscribe("chat.a");
  looping.request("message", { channel: "chat.a", message: "loop" });
  matching.request("message", { channel: "chat.a", message: "regular expression" });

  let said = 0;
  while (cluster.logLines("worker is stuck: it is ended").length < 2) {
    said += 1;
    bystander.request("message", { channel: "chat.a", message: said });
    await bystander.next({ action: "message", message: said });
  }
  await cluster.becameReady(5);
  for (const client of [looping, matching]) assert.equal((await client.close()).code, 1006);
  assert.deepEqual([isRunning(first!.pid), isRunning(second!.pid)], [false, false]);

  const stuck = cluster.logLines("worker is stuck: it is ended").sort((a, b) => Number(a.worker) - Number(b.worker));
  assert.deepEqual(
    stuck.map(({ worker, reason, state }) => [worker, reason, state]),
    [0, 1].map((worker) => [worker, "it says nothing", "it computes"]),
  );
  const causes = cluster.logLines("the event loop stands still").sort((a, b) => Number(a.worker) - Number(b.worker));
  assert.deepEqual(
    causes.map(({ worker, hook }) => [worker, hook]),
    [
      [0, "onMessage"],
      [1, "onMessage"],
    ],
  );
  const [spinning, inside] = causes.map(({ where }) => where);
  assert.match((spinning as string[])[0]!, /^spin \(file:.*hooks\.mjs:7:\d+\)$/);
  assert.match((spinning as string[])[1]!, /^onMessage \(file:.*hooks\.mjs:3:\d+\)$/);
  assert.match(String(inside), /^not in JavaScript|onMessage/);

  const newcomers = await connectToAll(t, cluster);
  assert.equal(newcomers.length, 3);
  await until(
    async () => Object.values(await cluster.metric("tidegate_worker_up")).every((up) => up === 1),
    () => "a successor is not up",
  );
});

type Client = Awaited<ReturnType<typeof connectToAll>>[number][number];
