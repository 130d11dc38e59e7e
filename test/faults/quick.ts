/** Rows of the campaign as tests of `npm test`: the small size, a few at a time, for they spend their time waiting. */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { removePrograms } from "./program.ts";
import { hasFailed, type Row, runRow } from "./row.ts";
import { tableOf } from "./table.ts";

const seed = 1;
const atOnce = 3;

/** The quick ones of `rows`, and a proof: `proven` fails without the first protection that it names. */
export function testQuickly(rows: readonly Row[], proven: string): void {
  describe("Counted traffic", { concurrency: atOnce }, () => {
    after(removePrograms);
    for (const row of rows.filter(({ isQuick }) => isQuick))
      it(row.title, async (t) => {
        const outcome = await runRow(row, { seed, size: "quick" });
        t.diagnostic(`\n${tableOf([outcome])}`);
        assert.deepEqual(outcome.wrongs, []);
      });
    const row = rows.find(({ name }) => name === proven)!;
    const [without] = row.proofs!;
    it(`${row.title}: not without ${without}`, async () => {
      assert.ok(hasFailed(await runRow(row, { seed, size: "quick", without: without! })));
    });
  });
}
