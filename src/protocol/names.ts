/**
 * Channel names and the patterns that select them.
 *
 * A name is 1 to 200 bytes: words of letters, digits, `_` and `-`, joined by single dots. In a pattern `*` stands for one
 * word, a last `>` for one word or more, `{user}` for the connection's own user id. Patterns are compared word by word
 * and never become regular expressions, so a hostile one costs no more than its length.
 */
/** A well-formed name, apart from its length. */
export const channelPattern = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
const WORD_PATTERN = /^(?:[A-Za-z0-9_-]+|\*|\{user\})$/;

export const channelBytesMax = 200;

/** True for a well-formed channel name. Linear in the name, which is cut off at `channelBytesMax` first. */
export function isChannelName(name: string): boolean {
  return name.length <= channelBytesMax && channelPattern.test(name); // every allowed character is one byte
}

/** True for a well-formed pattern. */
export function isPattern(pattern: string): boolean {
  if (pattern.length === 0 || pattern.length > channelBytesMax) return false;
  const words = pattern.split(".");
  return words.every((word, i) => WORD_PATTERN.test(word) || (word === ">" && i === words.length - 1));
}

/**
 * True where `pattern` selects `channel`. `{user}` is compared with `userId` as a literal word, so a user id of `*` or
 * `>` selects nothing else; without a user it selects nothing. Any other word in braces never matches.
 */
export function matches(pattern: string, channel: string, userId?: string): boolean {
  const patternWords = pattern.split(".");
  const words = channel.split(".");
  for (const [i, patternWord] of patternWords.entries()) {
    const word = words[i];
    if (word === undefined) return false;
    if (patternWord === ">") return i === patternWords.length - 1;
    if (patternWord === "*") continue;
    if (patternWord === "{user}" ? word !== userId : patternWord !== word) return false;
  }
  return words.length === patternWords.length;
}

/**
 * Orders patterns from the least to the most specific: the first differing word decides, `>` before `*` before `{user}`
 * before a literal word.
 */
export function compareSpecificity(a: string, b: string): number {
  const wordsA = a.split(".");
  const wordsB = b.split(".");
  for (let i = 0; i < Math.max(wordsA.length, wordsB.length); i += 1) {
    const difference = rank(wordsA[i]) - rank(wordsB[i]);
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

function rank(word: string | undefined): number {
  if (word === undefined) return 4; // the pattern ended: it fixes the number of words
  if (word === ">") return 0;
  if (word === "*") return 1;
  return word === "{user}" ? 2 : 3;
}
