import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Child } from "../support/child.ts";
import { connect, refusedHandshake } from "../support/client.ts";
import { typescript } from "../support/gateway-program.ts";

const file = fileURLToPath(new URL("embedding-example.ts", import.meta.url));
const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

describe("The example of a program that embeds a gateway", () => {
  it("stands in the README as it is run here", () => {
    const shown = readFileSync(file, "utf8").replace("../../src/gateway/index.ts", "tidegate");
    assert.ok(readme.includes(`\`\`\`ts\n${shown}\`\`\``));
  });

  it("lets in who says a name, masks what they write, and tells them the time and of their orders", async (t) => {
    const child = new Child(t, process.execPath, [...typescript, file], { PORT: "0" });
    await child.printed(/clients connect to port (\d+)/);
    const url = `ws://127.0.0.1:${/port (\d+)/.exec(child.output)?.[1]}`;
    assert.equal((await refusedHandshake(url)).status, 401);
    assert.equal((await refusedHandshake(`${url}/?name=mallory`)).status, 403);
    const ann = await connect(t, `${url}/?name=ann`);
    assert.equal(ann.frames[0]?.user_id, "ann");
    for (const channel of ["chat.a", "clock", "orders.ann"]) await ann.subscribe(channel);
    assert.equal((await ann.ask("subscribe", { channel: "orders.ben" })).code, "forbidden");
    ann.request("message", { channel: "chat.a", message: "Darn it" });
    await ann.next({ action: "message", channel: "chat.a", message: "**** it" });
    await ann.next({ action: "message", channel: "clock" });
    await ann.next({ action: "message", channel: "orders.ann", message: { status: "shipped" } });
    const ended = once(child.process, "exit");
    child.process.kill("SIGTERM");
    assert.equal((await ann.close()).code, 1001);
    assert.deepEqual(await ended, [0, null]);
    assert.match(child.output, /^ann left: going_away$/m);
  });
});
