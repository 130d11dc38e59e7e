/**
 * Whatever the gateways of a test file print, log lines, errors, metrics and the output of commands, is kept until the
 * file's process ends, and then searched for the secrets of the tests and for tokens. One found fails the file.
 */
const secrets = new Set<string>();
const printed: (() => string)[] = [];

/** Declares a secret of the tests. */
export function secretOf(secret: string): string {
  secrets.add(secret);
  return secret;
}

/** Has `read` called at the end, for all that a gateway has printed until then. */
export function searchAtEnd(read: () => string): void {
  printed.push(read);
}

/** Where a secret or a token stands in `text`, with what is around it; `undefined` where there is none. */
export function leakIn(text: string): string | undefined {
  const at = [...secrets].map((secret) => text.indexOf(secret)).find((index) => index !== -1) ?? text.search(token);
  return at === -1 ? undefined : text.slice(Math.max(0, at - 200), at + 100);
}

const token = /(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/;

process.on("exit", () => {
  const leaks = printed.map((read) => leakIn(read())).filter((leak) => leak !== undefined);
  if (leaks.length === 0) return;
  process.exitCode = 1;
  process.stderr.write(`A gateway printed a secret, here between 200 and 100 characters of what is around it:\n`);
  for (const leak of leaks) process.stderr.write(`${leak}\n`);
});
