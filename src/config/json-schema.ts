/**
 * The JSON Schema of the configuration file, for editors: `config/gateway.schema.json`, made from the same schema that
 * checks the file.
 *
 * Run as a program it prints the schema, or with `--write` writes it to its place. Draft 7, which every editor knows.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { z } from "zod";
import { configSchema } from "./config-schema.ts";

export const jsonSchemaFile: string = fileURLToPath(new URL("../../config/gateway.schema.json", import.meta.url));

const lineWidth = 120;

/** The text of the file. */
export function jsonSchemaText(): string {
  const title = "Tidegate configuration";
  const schema = z.toJSONSchema(configSchema, { io: "input", target: "draft-7", override: dropSectionDefault });
  return `${printed({ title, ...schema }, "", 0)}\n`;
}

/** The schema's node. A section's default is that of its keys, so `{}` would say nothing. */
function dropSectionDefault({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (JSON.stringify(jsonSchema.default) === "{}") delete jsonSchema.default;
}

/** JSON as the project's formatter writes it: a list of plain values stands on one line where it fits. */
function printed(value: unknown, indent: string, usedWidth: number): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    const oneLine = `[${value.map((item) => JSON.stringify(item)).join(", ")}]`;
    const isPlain = value.every((item) => typeof item !== "object");
    if (isPlain && indent.length + usedWidth + oneLine.length < lineWidth) return oneLine;
    return `[\n${value.map((item) => inner + printed(item, inner, 0)).join(",\n")}\n${indent}]`;
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  if (entries.length === 0) return "{}";
  const lines = entries.map(([key, item]) => {
    const name = `${JSON.stringify(key)}: `;
    return `${inner}${name}${printed(item, inner, name.length)}`;
  });
  return `{\n${lines.join(",\n")}\n${indent}}`;
}

if (process.argv[1] !== undefined && pathToFileURL(process.argv[1]).href === import.meta.url) {
  if (process.argv.includes("--write")) writeFileSync(jsonSchemaFile, jsonSchemaText());
  else process.stdout.write(jsonSchemaText());
}
