import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { it } from "node:test";
import { version } from "../../src/gateway/version.ts";

it("CHANGELOG.md has the version of the package as its newest numbered one", async () => {
  const text = await readFile(new URL("../../CHANGELOG.md", import.meta.url), "utf8");
  const headings = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
  assert.equal(headings[0], "Unreleased");
  assert.equal(headings[1], version);
});
