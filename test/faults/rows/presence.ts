/** Members: one join and one leave each, the same list everywhere, whatever happens to nodes. */
import { connect, type TestClient } from "../../support/client.ts";
import { testSecret } from "../../support/gateway.ts";
import type { NodeProcess } from "../../support/node-process.ts";
import { eventually } from "../../support/redis.ts";
import { token } from "../../support/tokens.ts";
import type { Row } from "../row.ts";
import { type Stage, urlOf } from "../stage.ts";

const rooms = Array.from({ length: 20 }, (_, n) => `presence.hall${n}`);
const membersPerRoom = 50;
const lobby = "presence.lobby";

export const presenceRows: readonly Row[] = [
  {
    name: "members-of-a-dead-node",
    title: "a node that dies with 1,000 members: each leaves once, everywhere, and none stays",
    stage: { settings: { presence: { leaveGraceSeconds: 0 } } },
    proofs: ["the burial of the dead"],
    async run(stage) {
      const [first, second, doomed] = stage.nodes as [NodeProcess, NodeProcess, NodeProcess];
      const watchers = await Promise.all([first, second].map((node) => connect(stage.lifetime, urlOf(node))));
      for (const watcher of watchers) for (const room of rooms) await watcher.subscribe(room);
      for (const room of rooms)
        await Promise.all(
          Array.from({ length: membersPerRoom }, async () => {
            const member = await connect(stage.lifetime, urlOf(doomed));
            member.socket.on("error", () => {});
            await member.subscribe(room);
          }),
        );
      const sizes = async (watcher: TestClient): Promise<number[]> =>
        Promise.all(rooms.map(async (channel) => (await watcher.ask("presence", { channel })).count as number));
      const all = (count: number) => async (): Promise<boolean> =>
        (await Promise.all(watchers.map(sizes))).flat().every((size) => size === count);
      await eventually(all(membersPerRoom + 2), "1,000 members");
      const startedMs = performance.now();
      await stage.strike(() => doomed.child.kill("SIGKILL"));
      await eventually(all(2), "the members' end").catch(() => {}); // the count tells
      const ghosts = (await Promise.all(watchers.map(sizes))).flat().reduce((sum, size) => sum + size - 2, 0);
      await stage.fired(ghosts === 0, `all members have left; ghosts: ${ghosts}`);
      process.stdout.write(`  1,000 members had left after ${Math.round(performance.now() - startedMs)} ms\n`);
      await doomed.start();
      await stage.pause(1000);
      for (const watcher of watchers) await stage.fired(alternates(watcher), "one join and one leave each");
    },
  },
  {
    name: "presence-flaps",
    title: "users who join and leave by turns on all nodes: events alternate, and all nodes have one list in the end",
    isQuick: true,
    stage: { settings: { presence: { leaveGraceSeconds: 0 }, auth: { secret: testSecret } } },
    async run(stage) {
      const watchers = await Promise.all(stage.nodes.map((node) => connect(stage.lifetime, urlOf(node))));
      for (const watcher of watchers) await watcher.subscribe(lobby);
      const names = Array.from({ length: 20 }, (_, n) => `user${n}`);
      const stays = await stage.strike(() => Promise.all(names.map((name, n) => flap(stage, name, n))));
      const wanted = names.filter((_, n) => stays[n]);
      const list = async (watcher: TestClient): Promise<string[]> => {
        const { members } = await watcher.ask("presence", { channel: lobby });
        return (members as { user_id?: string }[]).flatMap(({ user_id }) => user_id ?? []).sort();
      };
      const isRight = async (): Promise<boolean> =>
        (await Promise.all(watchers.map(list))).every((members) => members.join() === [...wanted].sort().join());
      await eventually(isRight, "one list everywhere").catch(() => stage.fired(false, "one list everywhere"));
      for (const watcher of watchers) await stage.fired(alternates(watcher), "joins and leaves by turns");
    },
  },
];

/** Twenty times in and out, each time on another node, by unsubscribing or by hanging up; true where the user stays. */
async function flap(stage: Stage, name: string, n: number): Promise<boolean> {
  const query = `?token=${token({ user_id: name })}`;
  for (let time = 0; time < 20; time += 1) {
    const client = await connect(stage.lifetime, `${urlOf(stage.nodes[(n + time) % stage.nodes.length]!)}${query}`);
    await client.subscribe(lobby);
    await stage.pause(0, 40);
    if (time === 19 && stage.random() < 0.5) return true;
    if (stage.random() < 0.5) await client.ask("unsubscribe", { channel: lobby });
    client.socket.terminate();
    await client.close();
  }
  return false;
}

/** True where each member's events are join, leave, join, …, and each channel's count goes up and down with them. */
function alternates({ frames }: TestClient): boolean {
  const here = new Map<string, boolean>();
  for (const { action, event, channel, member } of frames) {
    if (action !== "presence" || event === undefined) continue;
    const place = `${channel} ${JSON.stringify(member)}`;
    if ((here.get(place) ?? false) === (event === "join")) return false;
    here.set(place, event === "join");
  }
  return true;
}
