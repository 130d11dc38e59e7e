import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { run } from "../cli/program.ts";
import { assertNothingLost } from "../support/account.ts";
import { until } from "../support/child.ts";
import { CountingClient } from "../support/counting-client.ts";
import { testSecret } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { allDelivered } from "../support/traffic.ts";
import { connectToAll, isRunning, startWorkerCluster } from "./worker-cluster.ts";

describe("Two workers of one gateway", () => {
  it("are one gateway to their clients", async (t) => {
    const auth = { secret: testSecret };
    const cluster = await startWorkerCluster(t, { auth, presence: { leaveGraceSeconds: 0 } });
    assert.deepEqual(
      cluster.workers().map(({ worker }) => worker),
      [0, 1],
    );

    await t.test("a message reaches the subscribers on both, in one order", async (t) => {
      const [[ann], [ben]] = (await connectToAll(t, cluster)) as [[Client], [Client]];
      for (const client of [ann, ben]) await client.subscribe("chat.order");
      for (let n = 0; n < 200; n += 1)
        for (const client of [ann, ben]) client.request("message", { channel: "chat.order", message: n });
      for (const client of [ann, ben])
        await until(
          () => client.of("message").length === 400,
          () => `${client.of("message").length} messages came`,
        );
      const seen = (client: Client) =>
        client.of("message").map(({ sender, message, offset }) => [sender, message, offset]);
      assert.deepEqual(seen(ann), seen(ben));
    });

    await t.test("ids differ, and a message to one of them finds it on the other worker", async (t) => {
      const clients = (await connectToAll(t, cluster, 20)).flat();
      assert.equal(new Set(clients.map(({ connectionId }) => connectionId)).size, clients.length);
      const [[ann], [ben, other]] = (await connectToAll(t, cluster, 2)) as unknown as [[Client], [Client, Client]];
      for (const client of [ann, ben, other]) await client.subscribe("chat.target");
      const target = { connections: [ben.connectionId] };
      ann.request("message", { channel: "chat.target", message: "for ben", recipients: target.connections });
      await ben.next({ action: "message", message: "for ben" });
      for (const client of [ann, other]) {
        await client.settled();
        assert.deepEqual(client.of("message"), []);
      }
    });

    await t.test("echo:false leaves the publisher out, and nobody on the other worker", async (t) => {
      const [[ann], [ben]] = (await connectToAll(t, cluster)) as [[Client], [Client]];
      for (const client of [ann, ben]) await client.subscribe("chat.echo");
      for (const message of ["silent", "loud"])
        ann.request("message", { channel: "chat.echo", message, echo: message === "loud" });
      await ben.next({ action: "message", message: "silent" });
      const first = await ann.next({ action: "message" });
      assert.equal(first.message, "loud");
    });

    await t.test("a key counts on both: what is sent again on the other worker is not delivered again", async (t) => {
      const query = `?token=${token({ user_id: "key-user" })}`;
      const [[ann], [ben]] = (await connectToAll(t, cluster, 1, query)) as [[Client], [Client]];
      for (const client of [ann, ben]) await client.subscribe("chat.key");
      const publish = (client: Client, message: string, key?: string) =>
        client.ask("message", { channel: "chat.key", message, key });
      const [first, again] = [await publish(ann, "once", "k"), await publish(ben, "once", "k")];
      assert.deepEqual([again.success, again.offset], [true, first.offset]);
      await publish(ann, "last");
      await ben.next({ action: "message", message: "last" });
      assert.deepEqual(
        ben.of("message").map(({ message }) => message),
        ["once", "last"],
      );
    });

    await t.test("a user with a tab on each joins once, and leaves with the last", async (t) => {
      const query = `?token=${token({ user_id: 42 })}`;
      const [[watcher]] = (await connectToAll(t, cluster)) as [[Client]];
      await watcher.subscribe("presence.lobby");
      const [[one], [two]] = (await connectToAll(t, cluster, 1, query)) as [[Client], [Client]];
      await one.subscribe("presence.lobby");
      await two.subscribe("presence.lobby");
      await watcher.next({ action: "presence", event: "join", member: { user_id: 42, role: "user" } });
      await two.ask("message", { channel: "presence.lobby", message: "my join stands before this in the log" });
      one.socket.close();
      await one.close();
      two.socket.close();
      await watcher.next({ action: "presence", event: "leave", member: { user_id: 42, role: "user" } });
      const events = watcher.of("presence").filter(({ member }) => (member as { user_id?: number }).user_id === 42);
      assert.deepEqual(
        events.map(({ event }) => event),
        ["join", "leave"],
      );
    });

    await t.test("the admin port has the metrics of both, summed", async (t) => {
      const clients = (await connectToAll(t, cluster, 2)).flat();
      for (const client of clients) await client.ask("message", { channel: "chat.m", message: 1 });
      await until(
        async () => (await cluster.metric("tidegate_connections"))['format="json"'] === clients.length,
        () => "the connections of both workers are not the sum",
      );
      await until(
        async () => isDeepStrictEqual(await cluster.metric("tidegate_worker_up"), { 'worker="0"': 1, 'worker="1"': 1 }),
        () => "not both count as up",
      );
      assert.deepEqual(await cluster.metric("tidegate_ready"), { "": 1 });
      assert.equal((await fetch(`http://127.0.0.1:${cluster.adminPort}/readyz`)).ok, true);
    });

    await t.test("SIGTERM sends all clients away, and ends with status 0", async (t) => {
      const clients = (await connectToAll(t, cluster, 5)).flat();
      const pids = cluster.workers().map(({ pid }) => pid);
      cluster.child.process.kill("SIGTERM");
      for (const client of clients) {
        assert.equal((await client.close()).code, 1001);
        assert.equal(client.of("reconnect").length, 1);
      }
      await until(
        () => !cluster.child.isRunning,
        () => "it did not end",
      );
      assert.equal(cluster.child.process.exitCode, 0);
      assert.deepEqual(pids.filter(isRunning), []);
    });
  });

  it("lose nothing with one that is killed under load: its clients recover on the other, and on its successor", async (t) => {
    const history = { size: 5000, seconds: 300 };
    const cluster = await startWorkerCluster(t, { channels: { "chat.>": { history } } });
    const chat = (channel: string, name: string) =>
      new CountingClient(t, [cluster.url], { channel, name }, { keys: true });
    const clients = Array.from({ length: 40 }, (_, n) => chat(`chat.${n % 4}`, `client${n}`));
    for (const client of clients) await client.subscribed();
    const quiet = chat("chat.quiet", "quiet");
    await quiet.subscribed();

    const publishing = setInterval(() => {
      for (const client of clients) client.publish();
    }, 10);
    t.after(() => clearInterval(publishing));
    // The first kill sends all clients to the other worker, the second one from there to the successor of the first.
    for (let kills = 0; kills < 3; kills += 1) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      process.kill(cluster.workers()[kills % 2]!.pid, "SIGKILL");
      await cluster.becameReady(3 + kills);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    clearInterval(publishing);
    await allDelivered(clients);
    const { acknowledged, delivered } = assertNothingLost(clients);
    assert.equal(delivered, acknowledged * 10);
    assert.equal(quiet.recoveries > 0, true);
    for (const { breaks } of [...clients, quiet]) assert.equal(breaks, 0); // all recoveries were whole
    const restarts = Object.values(await cluster.metric("tidegate_worker_restarts_total"));
    assert.deepEqual(restarts, [2, 1]);
    assert.equal((await cluster.metric("tidegate_publications_total"))[""]! >= acknowledged, true);
  });

  it("fail one by one, and together with their supervisor", async (t) => {
    const cluster = await startWorkerCluster(t);

    await t.test("the members of one that is killed leave, once", async (t) => {
      const [ofFirst, ofSecond] = (await connectToAll(t, cluster, 3)) as [Client[], Client[]];
      for (const client of [...ofSecond, ...ofFirst]) await client.subscribe("presence.lobby");
      const watcher = ofSecond[0]!;
      for (const { connectionId } of ofFirst)
        await watcher.next({ action: "presence", event: "join", member: { connection_id: connectionId } });
      process.kill(cluster.workers()[0]!.pid, "SIGKILL");
      for (const { connectionId } of ofFirst)
        await watcher.next({ action: "presence", event: "leave", member: { connection_id: connectionId } });
      await cluster.becameReady(3);
      const [[newcomer]] = (await connectToAll(t, cluster)) as [[Client]];
      assert.equal(newcomer.frames[0]?.node, cluster.workers()[0]!.node);
      const { members } = await newcomer.ask("presence", { channel: "presence.lobby" });
      assert.deepEqual(
        (members as { connection_id: number }[]).map((member) => member.connection_id).sort(),
        ofSecond.map(({ connectionId }) => connectionId).sort(),
      );
      assert.equal(watcher.of("presence").filter(({ event }) => event === "leave").length, ofFirst.length);
      const ids = [...ofFirst, ...ofSecond, newcomer].map(({ connectionId }) => connectionId);
      assert.equal(new Set(ids).size, ids.length);
    });

    await t.test("one that is stuck is named in the metrics, then ended and replaced", async () => {
      const stuck = cluster.workers()[1]!;
      process.kill(stuck.pid, "SIGSTOP");
      await until(
        async () => isDeepStrictEqual(await cluster.metric("tidegate_worker_up"), { 'worker="0"': 1, 'worker="1"': 0 }),
        () => "the stuck worker counts as up, or the other one does not",
      );
      await cluster.becameReady(4);
      assert.equal(isRunning(stuck.pid), false);
      const [line] = cluster.logLines("worker is stuck: it is ended");
      assert.deepEqual([line?.worker, line?.workerPid], [1, stuck.pid]);
    });

    await t.test("a supervisor that is killed takes its workers with it", async () => {
      const pids = cluster.workers().map(({ pid }) => pid);
      await cluster.child.kill("SIGKILL");
      await until(
        () => !pids.some(isRunning),
        () => `still running: ${pids.filter(isRunning)}`,
      );
    });
  });

  it("are not started where the port is taken: one line, status 1", async (t) => {
    const other = createServer().listen(0, "127.0.0.1");
    t.after(() => other.close());
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const args = ["serve", "--workers", "2", "--host", "127.0.0.1", "--port", `${port}`, "--admin-port", "0"];
    const { status, stderr } = await run(t, args);
    assert.equal(status, 1);
    assert.match(stderr, /^tidegate: cannot listen on [^\n]* the port is in use;[^\n]*\n$/);
  });

  it("are ended at once by a second signal", async (t) => {
    const cluster = await startWorkerCluster(t, { drain: { delaySeconds: 60, seconds: 60 } });
    const pids = cluster.workers().map(({ pid }) => pid);
    cluster.child.process.kill("SIGTERM");
    await cluster.child.printed(/"draining; a second signal/);
    cluster.child.process.kill("SIGTERM");
    await until(
      () => !cluster.child.isRunning && !pids.some(isRunning),
      () => "it did not end",
    );
    assert.equal(cluster.child.process.exitCode, 143);
  });
});

type Client = Awaited<ReturnType<typeof connectToAll>>[number][number];
