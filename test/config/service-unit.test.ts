/** config/tidegate.service against the configuration that it names, and as systemd reads it where there is one. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { packagedConfigFile } from "../../src/config/packaged-file.ts";
import { descriptorFault } from "../../src/gateway/descriptors.ts";
import { Child, temporaryFolder, until } from "../support/child.ts";
import { gatewayProgram } from "../support/gateway-program.ts";
import { load } from "./faults.ts";

const folder = dirname(packagedConfigFile);
const text = readFileSync(join(folder, "tidegate.service"), "utf8");
/** Each setting with its last value. */
const unit = new Map([...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, key, value]) => [key!, value!]));
const { config } = load({ file: join(folder, "production.yaml"), env: { TIDEGATE_AUTH__SECRET: "x".repeat(32) } });

describe("config/tidegate.service", () => {
  it("gives a drain its time, and every client a descriptor", () => {
    const { delaySeconds, seconds } = config.drain;
    assert.ok(Number(unit.get("TimeoutStopSec")) >= delaySeconds + seconds + 2 + 5);
    assert.equal(descriptorFault(Number(unit.get("LimitNOFILE")), config.maxConnections), undefined);
  });

  it("starts what ended again, but not with a configuration that is not valid", async (t) => {
    assert.deepEqual([unit.get("Restart"), unit.get("StartLimitIntervalSec")], ["always", "0"]);
    const serve = new Child(t, process.execPath, [...gatewayProgram, "serve", "--port", "x"]);
    await until(
      () => !serve.isRunning,
      () => `it runs: ${serve.output}`,
    );
    assert.equal(serve.process.exitCode, Number(unit.get("RestartPreventExitStatus")));
  });

  it("is a unit for systemd, every setting known", async (t) => {
    const verify = async (content: string): Promise<string> => {
      const file = join(await temporaryFolder(t), "tidegate.service");
      await writeFile(file, content.replace("/usr/bin/node ", `${process.execPath} `));
      const { stderr } = await promisify(execFile)("systemd-analyze", ["verify", file]);
      return stderr;
    };
    try {
      assert.equal(await verify(text), "");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return t.skip("there is no systemd-analyze here");
      throw error;
    }
    assert.match(await verify(text.replace("LimitNOFILE=", "LimitNFILE=")), /Unknown key.*LimitNFILE/);
  });
});
