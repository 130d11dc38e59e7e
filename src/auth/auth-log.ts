/** What authentication needs of a log: a line for each change of state, never one for a token. */
export interface AuthLog {
  /** `fields` hold no secret and no part of a token. */
  warn(fields: object, text: string): void;
}
