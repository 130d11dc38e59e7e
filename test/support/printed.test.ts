import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { testSecret } from "./gateway.ts";
import { typescript } from "./gateway-program.ts";
import { leakIn } from "./printed.ts";
import { token } from "./tokens.ts";

describe("The search of everything that gateways printed", () => {
  it("finds a secret of the tests and a token, and nothing in what is redacted", () => {
    assert.ok(leakIn(`{"msg":"starting","auth":"${testSecret}"}`));
    assert.ok(leakIn(`GET /?token=${token({ user_id: 1 })}`));
    assert.equal(leakIn('{"token":"[redacted]","secret":"********","msg":"eyJ"}'), undefined);
  });

  for (const isLeaking of [true, false])
    it(`${isLeaking ? "fails" : "lets pass"} the test file of a gateway that ${isLeaking ? "logs its" : "keeps its"} secret`, async () => {
      const program = `
        const { test } = await import("node:test");
        const { searchAtEnd, secretOf } = await import(${JSON.stringify(new URL("./printed.ts", import.meta.url).href)});
        test("passes", () => searchAtEnd(() => "secret: " + ${isLeaking ? 'secretOf("open sesame")' : '"[redacted]"'}));
      `;
      const args = [...typescript, "--input-type=module", "--eval", program];
      const { code, stderr } = await new Promise<{ code: number; stderr: string }>((resolve) => {
        const child = execFile(process.execPath, args, (_error, _stdout, stderr) =>
          resolve({ code: child.exitCode ?? -1, stderr }),
        );
      });
      assert.deepEqual([code, stderr.includes("secret: open sesame")], isLeaking ? [1, true] : [0, false]);
    });
});
