import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import vm from "node:vm";
import { gzipSync } from "node:zlib";
import { Child } from "../support/child.ts";
import { startTestGateway } from "../support/gateway.ts";
import { typescript } from "../support/gateway-program.ts";
import { token } from "../support/tokens.ts";
import { scriptBuild } from "./bundle.ts";
import { startClient } from "./clients.ts";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const textOf = (file: string): string => readFileSync(new URL(file, import.meta.url), "utf8");

describe("The client's builds", () => {
  it("are at most 6,000 bytes, minified and gzipped, without MessagePack", async () => {
    const script = await scriptBuild();
    assert.doesNotMatch(script, /msgpack/i);
    const bytes = gzipSync(script, { level: 9 }).length;
    assert.ok(bytes <= 6000, `${bytes} bytes`);
  });

  it("make one global for a script tag", async () => {
    const world = vm.createContext({ TextEncoder, crypto, performance });
    vm.runInContext(await scriptBuild(), world);
    assert.deepEqual(Object.keys((world as { Tidegate: object }).Tidegate), ["createClient", "TidegateError"]);
  });
});

describe("The examples of clients", () => {
  it("stand in the README as they are run by the tests", () => {
    assert.ok(readme.includes(`\`\`\`html\n${textOf("browser-example.html")}\`\`\``), "browser");
    const node = textOf("node-example.ts").replace("../../src/client/index.ts", "tidegate/client");
    assert.ok(readme.includes(`\`\`\`ts\n${node}\`\`\``), "Node");
    const react = textOf("../react/chat-example.tsx").replace("../../src/react/index.ts", "tidegate/react");
    assert.ok(readme.includes(`\`\`\`tsx\n${react}\`\`\``), "React");
  });

  it("in Node, chats until it has enough", async (t) => {
    const gateway = await startTestGateway(t);
    const program = fileURLToPath(new URL("node-example.ts", import.meta.url));
    const env = { GATEWAY: gateway.url, TOKEN: token({ user_id: "robot" }) };
    const child = new Child(t, process.execPath, [...typescript, program], env);
    await child.printed(/^robot: Hello everyone!$/m);
    const client = startClient(t, gateway);
    const room = client.subscribe("chat.bots");
    await room.publish({ text: "enough" });
    await child.printed(/^\d+: enough$/m);
    if (child.isRunning) await new Promise((resolve) => child.process.once("exit", resolve));
    assert.equal(child.process.exitCode, 0);
  });
});
