import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { type Config, configSchema } from "../../src/config/config-schema.ts";
import { jsonSchemaFile, jsonSchemaText } from "../../src/config/json-schema.ts";
import { keyText } from "../../src/config/key-path.ts";
import { packagedConfigFile } from "../../src/config/packaged-file.ts";
import { settings } from "../../src/config/settings.ts";
import { faultsOf, load } from "./faults.ts";

interface SchemaNode {
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: { readonly anyOf?: readonly SchemaNode[] }; // or false, which has no anyOf either
}

const yaml = readFileSync(packagedConfigFile, "utf8");
const comments = yaml
  .split("\n")
  .filter((line) => line.trim().startsWith("#"))
  .map((line) => line.trim().slice(1).trim())
  .join(" ")
  .replace(/\s+/g, " ");

describe("config/gateway.yaml", () => {
  it("names the schema for editors in its first line", () => {
    assert.equal(yaml.split("\n", 1)[0], "# yaml-language-server: $schema=./gateway.schema.json");
  });

  it("equals the built-in defaults", () => {
    const builtIn: Config = configSchema.parse({});
    assert.deepEqual(configSchema.parse(parse(yaml)), builtIn);
  });

  it("names every key", () => {
    const tree: unknown = parse(yaml);
    for (const { path } of settings) {
      const value = path.reduce<unknown>((below, part) => (below as Record<string, unknown>)?.[part], tree);
      assert.notEqual(value, undefined, keyText(path));
    }
  });

  it("explains every key with the schema's sentence, and every number with its range", () => {
    const schema: SchemaNode = JSON.parse(jsonSchemaText());
    const unexplained = keysBelow(schema, "").filter(([, { description, minimum, maximum }]) => {
      const range = minimum === undefined ? "" : ` (${minimum} to ${maximum})`;
      return !comments.includes(`${description}${range}`);
    });
    assert.deepEqual(unexplained, []);
  });

  it("fits into 120 columns", () => {
    assert.deepEqual(
      yaml.split("\n").filter((line) => line.length > 120),
      [],
    );
  });
});

describe("config/gateway.schema.json", () => {
  it("is what the schema gives now: npm run schema", () => {
    assert.equal(readFileSync(jsonSchemaFile, "utf8"), jsonSchemaText());
  });

  it("refuses unknown keys and describes every one", () => {
    const schema = JSON.parse(jsonSchemaText());
    assert.equal(schema.additionalProperties, false);
    assert.deepEqual(
      keysBelow(schema, "").filter(([, { description }]) => !description),
      [],
    );
  });
});

describe("config/production.yaml", () => {
  const file = join(dirname(packagedConfigFile), "production.yaml");

  it("needs a key source", () => {
    assert.deepEqual(
      faultsOf({ file }).map(({ key }) => key),
      ["auth.required"],
    );
  });

  it("is valid with TIDEGATE_AUTH__SECRET, without a warning", () => {
    const { config, warnings } = load({ file, env: { TIDEGATE_AUTH__SECRET: "x".repeat(32) } });
    assert.equal(config.auth.required, true);
    assert.equal(config.origins.includes("*"), false);
    assert.deepEqual(warnings, []);
  });
});

/** Every key of the schema with its path, those of channel policies as well. */
function keysBelow({ properties = {}, additionalProperties }: SchemaNode, path: string): [string, SchemaNode][] {
  const policies = additionalProperties?.anyOf ?? [];
  const own = Object.entries(properties).flatMap(([key, node]): [string, SchemaNode][] => [
    [`${path}${key}`, node],
    ...keysBelow(node, `${path}${key}.`),
  ]);
  return [...own, ...policies.flatMap((policy) => keysBelow(policy, `${path}*.`))];
}
