/**
 * `tidegate doctor`: everything around the gateway that it needs and cannot mend itself, looked at as it would find it.
 *
 * The rule: what cannot be looked at is a finding too. Nothing is changed.
 */
import { ConfigError } from "../config/config-error.ts";
import type { Config } from "../config/config-schema.ts";
import { packagedConfigFile } from "../config/packaged-file.ts";
import { parseArguments } from "./arguments.ts";
import { examineCertificate } from "./certificate.ts";
import { examineDescriptors, examinePorts, examineReceiveBuffers } from "./doctor-machine.ts";
import { examineRedis } from "./doctor-redis.ts";
import type { Finding, Status } from "./finding.ts";
import { inspect } from "./inspect.ts";
import { counted, endWithReader, print, printable } from "./output.ts";

const grammar = { command: "doctor", flags: { config: "value", json: "switch" }, operands: [] } as const;

/** Prints the findings; rejects with their number where one is a problem. */
export async function doctor(args: readonly string[]): Promise<void> {
  const { values } = parseArguments(grammar, args);
  endWithReader();
  const findings = await examine(values.config ?? packagedConfigFile);
  const has = (status: Status): number => findings.filter((finding) => finding.status === status).length;
  if (values.json) print(JSON.stringify({ problems: has("problem"), warnings: has("warning"), findings }));
  else for (const line of linesOf(findings)) print(line);
  if (has("problem") > 0)
    throw new Error(`${counted(has("problem"), "problem")}, ${counted(has("warning"), "warning")}`);
}

async function examine(file: string): Promise<Finding[]> {
  const about = (status: Status, text: string): Finding => ({ subject: "configuration", status, text });
  const warnings: Finding[] = [];
  let config: Config;
  try {
    config = await inspect(file, (text) => warnings.push(about("warning", text)));
  } catch (error) {
    if (!(error instanceof ConfigError)) return [about("problem", (error as Error).message)];
    return error.faults.map(({ source, key, text }) =>
      about("problem", `${source}: ${key === "" ? text : `${key} ${text}`}`),
    );
  }
  return [
    ...(warnings.length > 0 ? warnings : [about("ok", `${file} and the environment`)]),
    examineDescriptors(config),
    examineReceiveBuffers(),
    ...(await examinePorts(config)),
    examineCertificate(config.tls, Date.now()),
    ...(await examineRedis(config.redis)),
  ];
}

/** `OK       port  9501 is free`, in columns. */
function linesOf(findings: readonly Finding[]): string[] {
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  return findings.map(({ subject, status, text }) =>
    printable(`${status.toUpperCase().padEnd(7)}  ${subject.padEnd(width)}  ${text}`),
  );
}
