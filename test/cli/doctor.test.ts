import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { examineCertificate } from "../../src/cli/certificate.ts";
import { examinePorts, examineReceiveBuffers } from "../../src/cli/doctor-machine.ts";
import { examineRedis } from "../../src/cli/doctor-redis.ts";
import type { Finding } from "../../src/cli/finding.ts";
import { load } from "../config/faults.ts";
import { makeCertificate } from "../socket/certificate.ts";
import { Child, freePort, temporaryFolder } from "../support/child.ts";
import { gatewayProgram } from "../support/gateway-program.ts";
import { startNodeProcess } from "../support/node-process.ts";
import { eventually, startProxy, startRedis } from "../support/redis.ts";
import { type Outcome, run } from "./program.ts";

/** Runs it with few connections and free ports, so that the rest of `env` decides. */
async function diagnose(t: TestContext, env: NodeJS.ProcessEnv, args: readonly string[] = []): Promise<Outcome> {
  const [port, adminPort] = [await freePort(), await freePort()];
  const fitting = { TIDEGATE_MAX_CONNECTIONS: "300", TIDEGATE_PORT: `${port}`, TIDEGATE_ADMIN_PORT: `${adminPort}` };
  return run(t, ["doctor", ...args], { ...fitting, ...env });
}

const line = (status: string, subject: string, text: RegExp): RegExp =>
  new RegExp(`^${status.padEnd(7)} {2}${subject} +${text.source}`, "m");

describe("tidegate doctor", { concurrency: 2 }, () => {
  it("finds everything in order: one line each, with status 0", async (t) => {
    const redis = await startRedis(t);
    const { certFile, keyFile } = await makeCertificate(t, undefined, 90);
    const { status, stdout, stderr } = await diagnose(t, {
      TIDEGATE_REDIS__ENABLED: "true",
      TIDEGATE_REDIS__URL: redis.url,
      TIDEGATE_TLS__CERT_FILE: certFile,
      TIDEGATE_TLS__KEY_FILE: keyFile,
    });
    assert.deepEqual([status, stderr], [0, ""], stdout);
    // But for the sockets' buffers, which are this machine's.
    const subjects = stdout
      .trimEnd()
      .split("\n")
      .filter((found) => !found.includes("receive buffers"));
    assert.deepEqual(
      subjects.map((found) => found.split(/ {2,}/)[0]),
      subjects.map(() => "OK"),
    );
    for (const subject of ["configuration", "open files", "port", "admin port", "tls", "redis", "redis policy"])
      assert.match(stdout, line("OK", subject, /\S/));
    for (const subject of ["redis memory", "redis persistence", "redis latency", "redis writing", "clock"])
      assert.match(stdout, line("OK", subject, /\S/));
    await eventually(async () => (await redis.client.dbsize()) === 0, "the end of the key that it wrote");
  });

  it("says of each thing that is wrong what to change, with status 1", async (t) => {
    const full = ["--maxmemory", "500kb", "--maxmemory-policy", "allkeys-lru", "--appendonly", "no"];
    const readOnly = ["--min-replicas-to-write", "1"];
    const proxy = await startProxy(t, await startRedis(t, { args: [...full, ...readOnly] }));
    proxy.delayMs = 10; // each way
    proxy.rewrite = (answer) => answer.replace(/(?<=^\*2\r\n\$10\r\n)\d{10}/, (seconds) => `${Number(seconds) - 3600}`);
    const other = createServer().listen(0, "127.0.0.1");
    t.after(() => other.close());
    await once(other, "listening");
    const { status, stdout, stderr } = await diagnose(t, {
      TIDEGATE_HEARTBEAT_INTERVAL: "300",
      TIDEGATE_HOST: "127.0.0.1",
      TIDEGATE_PORT: `${(other.address() as AddressInfo).port}`,
      TIDEGATE_REDIS__ENABLED: "true",
      TIDEGATE_REDIS__URL: proxy.url,
      TIDEGATE_REDIS__DURABLE: "true",
    });
    assert.match(stdout, line("WARNING", "configuration", /heartbeatInterval \(300 s\) should be below/));
    assert.match(stdout, line("PROBLEM", "port", /cannot listen on 127\.0\.0\.1:\d+: the port is in use; stop/));
    assert.match(stdout, line("OK", "admin port", /\d+ is free/));
    assert.match(stdout, line("PROBLEM", "redis policy", /maxmemory-policy is allkeys-lru, .*: set it to noeviction/));
    assert.match(stdout, line("PROBLEM", "redis memory", /[\d.]+ MiB of 0\.5 MiB \(maxmemory\): give it more/));
    assert.match(stdout, line("WARNING", "redis persistence", /appendonly is no/));
    assert.match(stdout, line("PROBLEM", "redis replicas", /redis\.durable is true/));
    assert.match(stdout, line("(WARNING|PROBLEM)", "redis latency", /[\d.]+ ms/));
    assert.match(stdout, line("PROBLEM", "redis writing", /refused: (OOM|NOREPLICAS)/));
    assert.match(stdout, line("PROBLEM", "clock", /ahead of Redis' by 3600\.\d s: run NTP/));
    assert.equal(status, 1);
    assert.match(stderr, /^tidegate: [67] problems, [2-4] warnings\n$/);
  });

  it("finds a limit of open files that is below maxConnections, as serve does at its start", async (t) => {
    if (process.platform !== "linux") return t.skip("the limit is known on Linux alone");
    const limited = (args: readonly string[]): Child => {
      const program = [process.execPath, ...gatewayProgram, ...args];
      const env = { TIDEGATE_PORT: "0", TIDEGATE_ADMIN_PORT: "0", TIDEGATE_HOST: "127.0.0.1" };
      return new Child(t, "sh", ["-c", 'ulimit -n 500 && exec "$@"', "sh", ...program], env);
    };
    const text = /a process may open 500 files here, which is enough for 400 connections; maxConnections \(100000\)/;
    await limited(["doctor"]).printed(line("PROBLEM", "open files", text));
    const gateway = limited(["serve"]);
    await gateway.printed(new RegExp(`"level":"warn".*${text.source} needs 100100: raise the limit`));
    await gateway.printed(/"listening"/);
  });

  it("finds each fault of the configuration and then looks no further; prints JSON", async (t) => {
    const faulty = { TIDEGATE_PORT: "x", TIDEGATE_TLS__CERT_FILE: "/no/cert" };
    const { status, stdout, stderr } = await diagnose(t, faulty, ["--json"]);
    const { problems, warnings, findings } = JSON.parse(stdout) as Record<string, number> & { findings: Finding[] };
    assert.deepEqual([status, stderr, problems, warnings], [1, "tidegate: 3 problems, 0 warnings\n", 3, 0]);
    for (const found of findings) assert.deepEqual([found.subject, found.status], ["configuration", "problem"]);
    for (const text of [/^TIDEGATE_PORT: port must be/, /^TIDEGATE_TLS__CERT_FILE: tls\.certFile must be/])
      assert.ok(
        findings.some((found) => text.test(found.text)),
        stdout,
      );
  });
});

describe("The doctor on the buffers of sockets", () => {
  it("finds those that let one sender hold up the others, and says how to make them smaller", async (t) => {
    const file = join(await temporaryFolder(t), "tcp_rmem");
    const examine = async (content: string): Promise<string> => {
      await writeFile(file, content);
      const { status, text } = examineReceiveBuffers(file);
      return `${status}: ${text}`;
    };
    assert.equal(await examine("4096\t65536\t131072\n"), "ok: up to 128 KiB (net.ipv4.tcp_rmem)");
    assert.match(
      await examine("4096\t131072\t6291456\n"),
      /^warning: up to 6144 KiB .*: sysctl -w net\.ipv4\.tcp_rmem=/,
    );
    assert.equal(examineReceiveBuffers(`${file}.none`).status, "warning");
  });
});

describe("The doctor on Redis and ports", () => {
  it("finds a Redis that is not there, or takes another password, and tells no password", async (t) => {
    const redis = await startRedis(t, { password: "right" });
    const urls = [`redis://127.0.0.1:${await freePort()}`, `redis://:hunter2@127.0.0.1:${redis.port}`];
    const findings = await Promise.all(
      urls.map((url) => examineRedis(load({ flags: { redis: { enabled: true, url } } }).config.redis)),
    );
    assert.match(findings[0]![0]!.text, /^cannot be used: .*ECONNREFUSED/);
    assert.match(findings[1]![0]!.text, /^cannot be used: WRONGPASS.*; see that it runs, .*password/);
    assert.deepEqual(
      findings.flat().map(({ status }) => status),
      ["problem", "problem"],
    );
    assert.ok(!JSON.stringify(findings).includes("hunter2"));
  });

  it("says that the clock is compared with nothing where there is no Redis", async () => {
    const [, clock] = await examineRedis(load({ flags: {} }).config.redis);
    assert.match(
      `${clock!.subject} ${clock!.status}: ${clock!.text}`,
      /^clock ok: \d{4}-.*Z, compared with nothing: let NTP run/,
    );
  });

  it("finds no fault in ports that are taken by a gateway that runs", async (t) => {
    const { port, adminPort } = await startNodeProcess(t, {});
    const { config } = load({ flags: { host: "127.0.0.1", port, adminPort } });
    for (const { status, text } of await examinePorts(config)) {
      assert.equal(status, "ok");
      assert.match(text, /^\d+ is in use, and a gateway is running$/);
    }
  });
});

describe("The doctor on a certificate", () => {
  const dayMs = 86_400_000;

  it("finds one that has ended, ends soon, or has not begun", async (t) => {
    const tls = { ...(await makeCertificate(t, undefined, 30)), passphrase: "" };
    const at = (days: number): string => {
      const { status, text } = examineCertificate(tls, Date.now() + days * dayMs);
      return `${status}: ${text}`;
    };
    assert.match(at(1), /^ok: .* for IP Address:127\.0\.0\.1, until \d{4}-\d\d-\d\d$/);
    assert.match(at(20.5), /^warning: .* ends in 9 days: renew it/);
    assert.match(at(31), /^problem: .* ended on \d{4}-\d\d-\d\d: renew it/);
    assert.match(at(-1), /^problem: .* begins on .*: is the clock of this machine right\?/);
  });

  it("finds another's key, a wrong passphrase, and a file that is no certificate", async (t) => {
    const own = await makeCertificate(t, "a passphrase");
    const other = await makeCertificate(t);
    const { certFile, keyFile } = own;
    const faults = [
      { certFile, keyFile: other.keyFile, passphrase: "" },
      { certFile, keyFile, passphrase: "hunter2" },
      { certFile: keyFile, keyFile, passphrase: "" },
    ].map((tls) => examineCertificate(tls, Date.now()));
    assert.deepEqual(
      faults.map(({ status }) => status),
      ["problem", "problem", "problem"],
    );
    assert.match(faults[0]!.text, /^tls\.keyFile must be the key of tls\.certFile, got another one/);
    assert.match(faults[1]!.text, /^tls\.keyFile must be a PEM file with a private key, and tls\.passphrase/);
    assert.match(faults[2]!.text, /^tls\.certFile must be a PEM file with a certificate/);
    assert.ok(!JSON.stringify(faults).includes("hunter2"));
  });
});
