/** The wait before the next attempt, after `failures` in a row: full jitter, so that whoever fell together is spread. */
export const backoffMs = (random: number, minMs: number, maxMs: number, failures: number): number =>
  random * Math.min(maxMs, minMs * 2 ** failures);
