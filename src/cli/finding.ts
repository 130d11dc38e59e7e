/** What the doctor found about one thing, and what to change. */
export interface Finding {
  /** What was looked at: `port`, `redis memory`. */
  readonly subject: string;
  /** `problem`: the gateway does not start, or will fail its clients. `warning`: it works, until something happens. */
  readonly status: "ok" | "warning" | "problem";
  /** One line without secrets: what was found, and, unless it is `ok`, what to do. */
  readonly text: string;
}

export type Status = Finding["status"];
