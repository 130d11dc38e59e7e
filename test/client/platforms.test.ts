/**
 * The client elsewhere than in this Node: one program on each platform that is at hand. Those that are not are skipped: the
 * README says how they were run.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { Child, temporaryFolder } from "../support/child.ts";
import { startTestGateway } from "../support/gateway.ts";
import { bundle } from "./bundle.ts";

const program = readFileSync(new URL("platform-program.js", import.meta.url), "utf8");

/** Each with the arguments that let it run a file, and what prints true where it can. */
const platforms = [
  { command: "node", run: [] },
  { command: "deno", run: ["run", "--allow-all"] },
  { command: "bun", run: ["run"] },
];

describe("The client, on the WebSocket of the platform", () => {
  for (const { command, run } of platforms)
    it(`of ${command}, recovers what it missed, and sends once what waited`, async (t) => {
      if (!(await hasWebSocket(command))) return t.skip(`no ${command} with a WebSocket on the PATH`);
      const folder = await temporaryFolder(t);
      writeFileSync(join(folder, "package.json"), '{"type":"module"}');
      writeFileSync(join(folder, "program.js"), program);
      const client = await bundle("src/client/index.ts", { format: "esm", target: "es2022" });
      writeFileSync(join(folder, "tidegate.js"), client);
      const gateway = await startTestGateway(t);
      const child = new Child(t, command, [...run, join(folder, "program.js"), gateway.url]);
      await child.printed(/^\{.*\}$/m);
      assert.deepEqual(JSON.parse(/^\{.*\}$/m.exec(child.output)![0]), {
        refused: "unauthenticated",
        recipients_count: 2,
        values: ["Grüße", "missed", "waited", "the last"],
        gaps: [],
        sent: 2,
        received: 4,
        reconnections: 1,
      });
      if (child.isRunning) await new Promise((resolve) => child.process.once("exit", resolve));
      assert.equal(child.process.exitCode, 0, child.output);
    });
});

const hasWebSocket = (command: string): Promise<boolean> =>
  promisify(execFile)(command, [command === "deno" ? "eval" : "-e", "if (!globalThis.WebSocket) throw 1"]).then(
    () => true,
    () => false,
  );
