/** A process of attackers: it is told which seeds to run, some at a time, and reports each one's beginning and end. */
import { attack, type Ports } from "./attack.ts";
import { caseOf } from "./cases.ts";

/** From the campaign: run the seeds `from` to `from + count - 1`. */
export interface Order extends Ports {
  readonly from: number;
  readonly count: number;
}

/** To the campaign. `end` has what is wrong with the answers, and `over` follows the last one. */
export type Report =
  | { readonly kind: "begin"; readonly seed: number }
  | { readonly kind: "end"; readonly seed: number; readonly name: string; readonly fault: string | undefined }
  | { readonly kind: "over" };

const atOnce = 6;

process.on("message", async (order: Order) => {
  let next = order.from;
  const report = (message: Report): void => void process.send?.(message);
  const attacker = async (): Promise<void> => {
    while (next < order.from + order.count) {
      const seed = next++;
      report({ kind: "begin", seed });
      const attacked = caseOf(seed);
      report({ kind: "end", seed, name: attacked.name, fault: await attack(order, attacked) });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, attacker));
  report({ kind: "over" });
});
process.on("disconnect", () => process.exit());
