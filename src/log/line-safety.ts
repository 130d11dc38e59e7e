/**
 * Makes one line of JSON safe to show: no secret that slipped into a text, no character that ends a line early or
 * steers a terminal. Everything here works on the finished JSON text and leaves it valid JSON.
 */

/** Hides tokens and passwords inside texts, such as those in a URL that an error quotes. */
export function withoutSecrets(line: string): string {
  return line
    .replace(JWT, "[redacted]")
    .replace(TOKEN_PARAMETER, "$1[redacted]")
    .replace(BEARER, "$1[redacted]")
    .replace(URL_PASSWORD, "$1[redacted]@");
}

/** Escapes what JSON leaves as it is and a terminal or a line reader would obey. */
export function safeForJson(line: string): string {
  return line.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * The same for a line that will be unescaped and shown to people: its control characters stay visible as `\n` or
 * `\u001b`. Only the line breaks between the frames of a stack trace survive.
 */
export function safeForTerminal(line: string): string {
  return safeForJson(line).replace(ESCAPE, (sequence, control: string | undefined) =>
    control === undefined ? sequence : `\\${sequence}`,
  );
}

// An outsider may fill a line: each pattern has one way to match and cannot start again inside a failed attempt, or is
// bounded, so that each takes linear time.
const JWT = /(?<![\w-])eyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g;
const TOKEN_PARAMETER = /([?&](?:access_)?token=)[^&\s"\\]+/gi;
const BEARER = /(\bbearer[ ,]+)[\w.~+/-]{8,}=*/gi;
const URL_PASSWORD = /(\b[a-z][a-z+.-]{0,30}:\/\/[^\s:@/"\\]{0,256}:)[^\s@/"\\]{1,1024}@/gi;

// DEL and the C1 controls, zero-width and direction marks, the two line separators of Unicode, the byte order mark.
const UNSAFE = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

// Any JSON escape, so that a backslash is never taken for the start of one; those of control characters are captured.
const ESCAPE =
  /\\n {4}at |\\(?:([bfnrt]|u00[01][0-9a-f]|u007f|u00[89][0-9a-f]|u20[0-9a-f]{2}|ufeff)|u[0-9a-f]{4}|["\\/])/gi;
