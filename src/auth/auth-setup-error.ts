/**
 * A configuration that authentication cannot work with. Thrown while a verifier or a token is made, never while a token
 * is verified.
 *
 * Its text names the field at fault and never holds a secret: sizes and file names are all that is told of a value.
 */
export class AuthSetupError extends Error {
  readonly code: AuthSetupCode;

  /** `text` reads `cannot <verb> <thing>: <field> must be <rule>, got <value>`. */
  constructor(code: AuthSetupCode, text: string, cause?: unknown) {
    super(text, { cause });
    this.name = "AuthSetupError";
    this.code = code;
  }
}

export type AuthSetupCode =
  /** A key without a secret or a file, or with several. */
  | "key_source"
  /** The file of a key cannot be read. */
  | "key_unreadable"
  /** The file of a key holds something else. */
  | "key_malformed"
  /** The key is of another type than its algorithm needs, or too short. */
  | "key_unfit"
  /** The secret is short, or it is no secret. */
  | "weak_secret"
  | "jwks_url"
  /** A token cannot be signed with these claims. */
  | "claims";
