/** Lengths of time as people write them: `90s`, `15m`, `1h`, `7d`. */

const unitSeconds: ReadonlyMap<string, number> = new Map([
  ["s", 1],
  ["m", 60],
  ["h", 3600],
  ["d", 86_400],
]);

/** The rule, for messages. */
export const durationRule = "a number and s, m, h or d, such as 90s, 15m, 1h or 7d";

/** Seconds, at least 1; `undefined` where `text` is no such length, or one beyond 10 years. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (count === undefined || unit === undefined) return undefined;
  const seconds = Number(count) * (unitSeconds.get(unit) ?? 0);
  return seconds >= 1 && seconds <= 3650 * 86_400 ? seconds : undefined;
}
