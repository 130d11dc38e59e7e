import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bystanders } from "../inbound/company.ts";
import { startTestGateway } from "../support/gateway.ts";
import { attack } from "./attack.ts";
import { campaign } from "./campaign.ts";
import { found } from "./found.ts";

describe("What fuzzing has found", () => {
  for (const attacked of found)
    it(`${attacked.name}: the gateway goes on, and has nothing to complain of`, async (t) => {
      const gateway = await startTestGateway(t);
      const others = await bystanders(t, gateway);
      assert.equal(await attack(gateway, attacked), undefined);
      await others.stop();
    });
});

describe("A fuzz campaign", () => {
  it("of 250 attacks finds a gateway that goes on, complains of nothing and answers with no fault of its own", async () => {
    const result = await campaign({ seed: 20_260_101, minutes: 0, round: 250, isTimed: false, print: () => {} });
    assert.deepEqual(result.findings, []);
    assert.equal(result.cases, 250);
    const [before, after] = result.footprints;
    assert.deepEqual([before?.connections, after?.connections], [50, 50]);
  });

  it("notices a gateway that ends", async () => {
    const end = (pid: number): void => void process.kill(pid, "SIGKILL");
    const result = await campaign({ seed: 1, minutes: 0, round: 20, isTimed: false, print: () => {}, sabotage: end });
    assert.match(result.findings.join("\n"), /the gateway ended \(code null, signal SIGKILL\)/);
  });
});
