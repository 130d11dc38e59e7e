/**
 * What the programs write for people: results to standard output, everything else to standard error.
 *
 * Text that came over the network goes through `printable` first: a terminal obeys what it is told.
 */

/** Writes one line of the result. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes one line that is no result: `tidegate: …`. */
export function complain(text: string): void {
  process.stderr.write(`tidegate: ${text}\n`);
}

/** `1 node`, `2 nodes`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** Ends the process without a word once nobody reads its output: `tidegate tail … | head -1`. */
export function endWithReader(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(0);
  });
}

/**
 * `text` as one line without control characters, which are written as `\n` or `\u001b`; so are the marks that reverse the
 * direction of writing. JSON stays valid and keeps its meaning.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const short = shortEscapes.get(character);
    return short ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

// C0, DEL and C1; Arabic letter mark, zero-width space, direction marks and overrides, Unicode's line separators, byte
// order mark. The zero-width joiners stay: Persian and emoji are written with them.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const shortEscapes: ReadonlyMap<string, string> = new Map([
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
]);
