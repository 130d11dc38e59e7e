/**
 * The arguments that make Node.js a gateway: the source as it stands, or with `TEST_BUILT=1`, as `npm test` sets it after
 * building, what users run; that starts in a third of the processor time.
 */
import { fileURLToPath } from "node:url";

const path = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url));

export const gatewayProgram: readonly string[] =
  process.env.TEST_BUILT === "1" ? [path("dist/main.js")] : ["--import", "tsx", path("src/main.ts")];
