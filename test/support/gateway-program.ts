/**
 * The arguments that make Node.js run a program of ours: as it stands, or with `TEST_BUILT=1`, as `npm test` sets it after
 * building, as it was built; that starts in less than half the processor time.
 */
import { fileURLToPath } from "node:url";

const path = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url));
const isBuilt = process.env.TEST_BUILT === "1";

/** Before a TypeScript file, or code that imports some. */
export const typescript: readonly string[] = [
  "--import",
  isBuilt ? path("test/support/built.mjs") : import.meta.resolve("tsx"),
];

/** Before the arguments of the gateway: built, it is what users run. */
export const gatewayProgram: readonly string[] = isBuilt
  ? [path("dist/main.js")]
  : [...typescript, path("src/main.ts")];
