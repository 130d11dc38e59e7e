/** "Did you mean …?" for keys, variables, commands and flags. */
import { distance } from "fastest-levenshtein";

/**
 * The one of `known` that `word` is most likely a slip of, else `undefined`. Letter case does not count. Half of the
 * letters must be right: a guess that is no help is worse than none.
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.floor(word.length / 2) + 1;
  for (const candidate of known) {
    const candidateDistance = distance(word.toLowerCase(), candidate.toLowerCase());
    if (candidateDistance < bestDistance) {
      best = candidate;
      bestDistance = candidateDistance;
    }
  }
  return best;
}

/** The ending of "unknown X …": `; did you mean Y?`, or nothing. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const guess = nearest(word, known);
  return guess === undefined ? "" : `; did you mean ${guess}?`;
}
