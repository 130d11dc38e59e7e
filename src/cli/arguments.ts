/**
 * The arguments of a command, checked against the flags that it has.
 *
 * node:util's parseArgs splits them; what is wrong is said here, with the nearest flag that exists.
 */
import { parseArgs } from "node:util";
import { didYouMean } from "../text/nearest.ts";

/** The user's mistake on the command line; the program ends with 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly code = "usage";
  /** The command whose help to point to, if any. */
  readonly command: string | undefined;

  constructor(text: string, command?: string) {
    super(text);
    this.command = command;
  }
}

/** The flags of a command by name, without dashes. */
export type Flags = Readonly<Record<string, "value" | "switch">>;
export type FlagValues<F extends Flags> = {
  readonly [Name in keyof F]: F[Name] extends "switch" ? boolean : string | undefined;
};

/** What a command understands. */
export interface Grammar<F extends Flags> {
  readonly command: string;
  readonly flags: F;
  /** Names of the arguments that it needs, in order. */
  readonly operands: readonly string[];
}

/** Splits and checks `args`. Throws a `UsageError`. Of a flag that is given twice the last counts. */
export function parseArguments<const F extends Flags>(
  { command, flags, operands }: Grammar<F>,
  args: readonly string[],
): { readonly values: FlagValues<F>; readonly operands: readonly string[] } {
  const kinds = new Map(Object.entries(flags));
  const options = Object.fromEntries([...kinds].map(([name, kind]) => [name, { type: typeOf(kind) }]));
  const parsed = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  const values = new Map<string, string | boolean>();
  for (const token of parsed.tokens) {
    if (token.kind !== "option") continue;
    const { name, rawName, value, inlineValue } = token;
    const kind = kinds.get(name);
    if (kind === undefined) throw new UsageError(unknownFlag(rawName, name, [...kinds.keys()]), command);
    if (kind === "switch" && value !== undefined) throw new UsageError(`${rawName} takes no value`, command);
    if (kind === "switch") values.set(name, true);
    else if (value === undefined || (!inlineValue && value.startsWith("-") && value !== "-"))
      throw new UsageError(
        `${rawName} needs a value; one that begins with a dash is written ${rawName}=VALUE`,
        command,
      );
    else values.set(name, value);
  }
  for (const [name, kind] of kinds) if (kind === "switch" && !values.has(name)) values.set(name, false);
  checkOperands(command, operands, parsed.positionals);
  return { values: Object.fromEntries(values) as FlagValues<F>, operands: parsed.positionals };
}

const typeOf = (kind: "value" | "switch"): "string" | "boolean" => (kind === "value" ? "string" : "boolean");

function unknownFlag(rawName: string, name: string, known: readonly string[]): string {
  const guess = didYouMean(name, [...known, "help"]).replace("did you mean ", "did you mean --");
  return `unknown flag ${rawName}${guess}`;
}

function checkOperands(command: string, names: readonly string[], given: readonly string[]): void {
  const missing = names[given.length];
  const extra = given[names.length];
  if (missing !== undefined) throw new UsageError(`${command} needs a ${missing}`, command);
  if (extra !== undefined) throw new UsageError(`unexpected argument ${JSON.stringify(extra)}`, command);
}
