import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { text } from "node:stream/consumers";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort, until } from "../support/child.ts";
import { connect } from "../support/client.ts";
import { gatewayProgram, typescript } from "../support/gateway-program.ts";

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

describe("A log whose disk is full", () => {
  it("stops nothing: the gateway starts, carries messages, and ends with 0 at SIGTERM", async (t) => {
    const [port, adminPort] = [await freePort(), await freePort()];
    const args = ["--host", "127.0.0.1", "--port", `${port}`, "--admin-port", `${adminPort}`];
    const env = { ...process.env, TIDEGATE_LOG__LEVEL: "debug", TIDEGATE_DRAIN__DELAY_SECONDS: "0" };
    const gateway = spawn(process.execPath, [...gatewayProgram, "serve", ...args], {
      env: { ...env, TIDEGATE_DRAIN__SECONDS: "0" },
      stdio: ["ignore", openSync("/dev/full", "w"), "pipe"],
    });
    t.after(() => gateway.kill("SIGKILL"));
    const complaints = text(gateway.stderr!);
    const isUp = () =>
      fetch(`http://127.0.0.1:${port}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
    await until(isUp, () => "it does not start");
    for (let n = 0; n < 20; n += 1) {
      const client = await connect(t, `ws://127.0.0.1:${port}`);
      await client.subscribe("chat.a");
      client.request("message", { channel: "chat.a", message: n });
      await client.next({ action: "message", message: n });
      client.socket.close();
      await client.close();
    }
    gateway.kill("SIGTERM");
    const [code] = await once(gateway, "exit");
    assert.deepEqual([code, await complaints], [0, ""]);
  });
});

describe("A log whose reader stalls", () => {
  it("holds up nothing, keeps what fits, and says how many lines were dropped once it is read again", async (t) => {
    const program = `
      const { createLog } = await import(${JSON.stringify(path("../../src/log/log.ts"))});
      const log = createLog({ level: "info", format: "json" });
      const text = "x".repeat(100);
      for (let n = 0; n < 60000; n += 1) {
        log.info({ n, text }, "line");
        if (n % 100 === 0) await new Promise(setImmediate);
      }
      process.stderr.write("written");
      process.stdin.resume().on("end", () => process.exit(0));
    `;
    const args = [...typescript, "--input-type=module", "--eval", program];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"] });
    t.after(() => child.kill("SIGKILL"));
    await once(child.stderr, "data"); // while nobody reads the lines
    let printed = "";
    child.stdout.on("data", (chunk) => {
      printed += chunk;
    });
    await until(
      () => printed.includes("log lines were dropped"),
      () => printed.slice(-300),
    );
    child.stdin.end();
    assert.equal((await once(child, "close"))[0], 0);
    const lines = printed
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const kept = lines.filter(({ msg }) => msg === "line").map(({ n }) => n);
    const dropped = lines.find(({ msg }) => msg !== "line");
    assert.deepEqual(
      kept,
      Array.from({ length: kept.length }, (_, n) => n),
    );
    assert.equal(kept.length + Number(dropped?.lines), 60_000);
    assert.ok(kept.length > 10_000 && Number(dropped?.lines) > 10_000, `${kept.length} kept`);
  });
});
