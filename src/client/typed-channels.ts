/** Which messages a channel carries, told by patterns: `*` one word, a last `>` the rest. For the compiler alone. */

/** The messages of channels, by pattern: `{ "chat.*": ChatMessage }`. */
export type ChannelMap = object;

/** What a message of `Channel` is: that of the patterns that select it; `unknown` where none does. */
export type MessageOn<Channels extends ChannelMap, Channel extends string> = [Selected<Channels, Channel>] extends [
  never,
]
  ? unknown
  : Selected<Channels, Channel>;

type Selected<Channels, Channel extends string> = string extends keyof Channels | Channel
  ? Channels[keyof Channels]
  : {
      [Pattern in keyof Channels & string]: Selects<Pattern, Channel> extends true ? Channels[Pattern] : never;
    }[keyof Channels & string];

type Selects<Pattern extends string, Channel extends string> = Pattern extends ">"
  ? true
  : Pattern extends `${infer Word}.${infer Words}`
    ? Channel extends `${infer Name}.${infer Names}`
      ? Fits<Word, Name> extends true
        ? Selects<Words, Names>
        : false
      : false
    : Channel extends `${string}.${string}`
      ? false
      : Fits<Pattern, Channel>;

type Fits<Word extends string, Name extends string> = Word extends "*" ? true : Name extends Word ? true : false;
