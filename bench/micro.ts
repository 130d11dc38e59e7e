/** Scenario `micro`: what single steps of the hot path cost, in nanoseconds of one core. */
import { load } from "./load-process.ts";
import { interleave, type Report, type Sitting } from "./scenario.ts";

export async function micro(sitting: Sitting): Promise<Report> {
  const milliseconds = sitting.isQuick ? 100 : 300;
  const runs = await interleave(sitting, "micro", [{ name: "tidegate" }], async () => {
    const nanoseconds = await load<Record<string, number>>("micro-load", { milliseconds });
    return Object.entries(nanoseconds).map(([name, value]) => ({ figure: `ns, ${name}`, value, isLessBetter: true }));
  });
  return { title: "steps of the hot path, nanoseconds for each", baseline: undefined, runs };
}
