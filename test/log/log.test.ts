import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { createLog, type LogFormat } from "../../src/log/log.ts";
import { typescript } from "../support/gateway-program.ts";

/** A log and the lines that it wrote. */
function recordedLog(format: LogFormat = "json", level: "info" | "warn" = "info") {
  const lines: string[] = [];
  const log = createLog({ level, format }, { write: (line) => void lines.push(line) });
  return { log, lines, records: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

const hostile = 'two\nlines\r\n\u001b[2J\u0007 \u009b31m \u2028 \u202e "quoted" C:\\new {"level":"fatal"}';

describe("the log as JSON", () => {
  it("writes one object a line, with level, time, process, fields and message", () => {
    const { log, lines, records } = recordedLog();
    log.info({ port: 9501 }, "listening");
    assert.match(lines[0]!, /^\{.*\}\n$/);
    const { level, time, pid, port, msg } = records()[0]!;
    assert.deepEqual({ level, pid, port, msg }, { level: "info", pid: process.pid, port: 9501, msg: "listening" });
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it("leaves out what is below its level", () => {
    const { log, records } = recordedLog("json", "warn");
    log.info({}, "listening");
    log.warn({}, "slow");
    assert.deepEqual(
      records().map(({ msg }) => msg),
      ["slow"],
    );
  });

  it("adds the fields of a child to each of its lines", () => {
    const { log, records } = recordedLog();
    log.child({ node: "a" }).child({ worker: 2 }).warn({}, "restarted");
    assert.deepEqual([records()[0]?.node, records()[0]?.worker], ["a", 2]);
  });

  it("keeps hostile values on one parseable line of harmless characters, unchanged once parsed", () => {
    const { log, lines, records } = recordedLog();
    log.info({ agent: hostile, [hostile]: 1 }, "refused");
    assert.equal(records()[0]?.agent, hostile);
    assert.equal(records()[0]?.[hostile], 1);
    assert.doesNotMatch(lines[0]!.slice(0, -1), /[\p{Cc}\u2028\u2029\u202a-\u202e]/u);
  });

  it("writes an error with its stack, and its cause with its own", () => {
    const { log, records } = recordedLog();
    log.error({ err: new Error("outer", { cause: new TypeError("inner") }) }, "failed");
    const { err } = records()[0] as { err: { stack: string; cause: { type: string; stack: string } } };
    assert.match(err.stack, /outer\n {4}at /);
    assert.deepEqual([err.cause.type, err.cause.stack.includes("inner")], ["TypeError", true]);
  });

  it("survives circular values and big integers", () => {
    const circular: Record<string, unknown> = { size: 10n };
    circular.self = circular;
    const { log, records } = recordedLog();
    log.info({ circular }, "odd");
    assert.equal(records().length, 1);
  });

  it("goes to standard output when no destination is given, complete also when the process exits at once", async () => {
    const url = import.meta.resolve("../../src/log/log.ts");
    const script = `import { createLog } from ${JSON.stringify(url)};
      const log = createLog({ level: "info", format: "auto" });
      for (let n = 0; n < 1000; n += 1) log.info({ n }, "line");
      process.exit(0);`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [...typescript, "--input-type=module", "--eval", script],
      { maxBuffer: 8 * 1024 * 1024 },
    );
    const numbers = stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { n: number }).n);
    assert.deepEqual(
      numbers,
      Array.from({ length: 1000 }, (_, n) => n),
    );
  });
});

describe("secrets in the log", () => {
  const shapes = (value: object) => [
    value,
    { a: value },
    { a: { b: value } },
    { a: { b: [value] } },
    { a: [{ b: [value] }] },
  ];

  for (const key of ["token", "authorization", "secret", "password", "passphrase", "apiKey"]) {
    it(`never shows the value of ${key}, down to four levels`, () => {
      const { log, lines } = recordedLog();
      for (const fields of shapes({ [key]: "hunter2" })) log.info(fields, "configured");
      assert.equal(lines.length, 5);
      for (const line of lines) assert.match(line, /\[redacted\]/);
      assert.doesNotMatch(lines.join(""), /hunter2/);
    });
  }

  it("never shows the arguments of the Redis command that failed, AUTH has the password there", () => {
    const err = Object.assign(new Error("WRONGPASS"), { command: { name: "auth", args: ["hunter2"] } });
    const { log, lines } = recordedLog();
    log.error({ err }, "redis refused");
    log.error({ err: new Error("outer", { cause: err }) }, "redis refused");
    log.error({ err: new AggregateError([err]) }, "redis refused");
    assert.doesNotMatch(lines.join(""), /hunter2/);
  });

  it("finds tokens and passwords inside texts", () => {
    const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
    const { log, lines } = recordedLog();
    log.info(
      { url: `/chat?room=1&token=${jwt}&x=1`, header: `Bearer ${jwt}`, protocol: "bearer, opaque-token-1" },
      "odd",
    );
    log.info({ url: "/?token=opaque-token-1&x=1", text: `got ${jwt}.` }, "odd");
    log.info({ err: new Error("cannot reach redis://user:hunter2@10.0.0.1:6379/0") }, "odd");
    assert.doesNotMatch(lines.join(""), /eyJ|c2ln|opaque-token-1|hunter2/);
    assert.match(lines.join(""), /&x=1.*redis:\/\/user:\[redacted\]@10\.0\.0\.1:6379/s);
  });

  it("looks for them in linear time", () => {
    const { log, lines } = recordedLog();
    const filler = [
      "eyJ-",
      "eyJabcdefgh",
      "bearer ",
      "bearer,",
      "a://",
      "a:b://c:",
      "?token=",
      "&token",
      "\u001b",
      "\\n",
    ];
    for (const part of filler) log.info({ value: part.repeat(100_000) }, "long"); // quadratic time would not end here
    assert.equal(lines.length, filler.length);
  });
});

describe("the log for people", () => {
  it("shows an event on one line, control characters visible and powerless", () => {
    const { log, lines } = recordedLog("pretty");
    log.warn({ agent: hostile }, "refused");
    assert.match(lines[0]!, /WARN.*refused.*two\\nlines\\r\\n\\u001b\[2J\\u0007 \\u009b31m/);
    assert.doesNotMatch(lines[0]!.slice(0, -1), /[\p{Cc}\u2028\u202e]/u);
  });

  it("gives a stack trace its lines, and the error's own text only one", () => {
    const { log, lines } = recordedLog("pretty");
    log.error({ err: new Error("bad\nINFO: forged \u001b[2J") }, "failed");
    assert.match(lines[0]!, /Error: bad\\nINFO: forged \\u001b\[2J\n +at /);
  });

  it("hides secrets as well", () => {
    const { log, lines } = recordedLog("pretty");
    log.info({ token: "hunter2", url: "ws://x/?token=hunter2" }, "odd");
    assert.doesNotMatch(lines[0]!, /hunter2/);
  });

  it("is what `auto` means on a terminal only: a given destination gets JSON", () => {
    const { log, records } = recordedLog("auto");
    log.info({}, "listening");
    assert.equal(records()[0]?.msg, "listening");
  });
});
