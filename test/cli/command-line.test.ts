import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { run } from "./program.ts";

const packageFile = new URL("../../package.json", import.meta.url);

describe("tidegate", { concurrency: 4 }, () => {
  it("without a command shows its help on standard error, with status 2", async (t) => {
    const { status, stdout, stderr } = await run(t, []);
    assert.deepEqual([status, stdout], [2, ""]);
    assert.match(stderr, /^Tidegate: .*\n\nUsage: tidegate <command>/);
  });

  it("help shows the commands, examples and exit statuses", async (t) => {
    const { status, stdout, stderr } = await run(t, ["help"]);
    assert.deepEqual([status, stderr], [0, ""]);
    for (const word of ["serve", "check", "token", "tail", "Examples:", "Exit status: 0", "TIDEGATE_"])
      assert.ok(stdout.includes(word), word);
    assert.deepEqual(
      stdout.split("\n").filter((line) => line.length > 120 && !line.includes("/")),
      [],
    );
  });

  for (const args of [
    ["help", "token"],
    ["token", "--help"],
    ["token", "--user", "42", "-h"],
    ["-h", "token"],
  ]) {
    it(`${args.join(" ")} shows help and does nothing`, async (t) => {
      const { status, stdout } = await run(t, args);
      assert.equal(status, 0);
      assert.match(stdout, /^Usage: tidegate (token --user ID|<command>)/m);
    });
  }

  it("--version tells the package's version", async (t) => {
    const { version } = JSON.parse(readFileSync(packageFile, "utf8"));
    assert.deepEqual(await run(t, ["--version"]), { status: 0, stdout: `tidegate ${version}\n`, stderr: "" });
  });

  const mistakes: readonly (readonly [readonly string[], RegExp])[] = [
    [["serv"], /^tidegate: unknown command "serv"; did you mean serve\?\nTry 'tidegate help'\.\n$/],
    [["--verson"], /^tidegate: unknown flag "--verson"; did you mean --version\?/],
    [["help", "tial"], /^tidegate: unknown command "tial"; did you mean tail\?/],
    [["serve", "--prot", "1"], /^tidegate: unknown flag --prot; did you mean --port\?\nTry 'tidegate help serve'\.\n$/],
    [["serve", "-p", "1"], /^tidegate: unknown flag -p\n/],
    [["serve", "--port"], /^tidegate: --port needs a value/],
    [["serve", "--port", "--host", "x"], /^tidegate: --port needs a value/],
    [["serve", "--redis", ""], /^tidegate: --redis must be the URL of a Redis, .*, got nothing\n/],
    [["serve", "--redis", "host:1"], /\n {2}--redis: redis\.url must be /],
    [["serve", "x"], /^tidegate: unexpected argument "x"/],
    [
      ["serve", "--port", "80808"],
      /^tidegate: the configuration is not valid:\n {2}--port: port must be .* got 80808\n$/,
    ],
    [["serve", "--log-level", "loud"], /--log-level: log\.level must be trace, /],
    [["serve", "--config", "/no/such.yaml"], /\n {2}\/no\/such\.yaml: cannot be read: ENOENT\n$/],
    [["tail"], /^tidegate: tail needs a CHANNEL\n/],
    [["tail", "a b"], /^tidegate: CHANNEL must be words/],
    [["tail", "a", "--raw=yes"], /^tidegate: --raw takes no value/],
    [["tail", "a", "--url", "http://localhost"], /^tidegate: --url must be a ws:\/\/ or wss:\/\/ URL/],
    [["tail", "a", "--since", "1h"], /^tidegate: --since must be a whole number/],
    [["tail", "a", "--token", "x\r\ny"], /^tidegate: the token has characters/],
  ];
  for (const [args, text] of mistakes) {
    it(`${JSON.stringify(args.join(" "))} is a mistake: status 2, and a line that says which`, async (t) => {
      const { status, stdout, stderr } = await run(t, args);
      assert.deepEqual([status, stdout], [2, ""]);
      assert.match(stderr, text);
    });
  }
});
