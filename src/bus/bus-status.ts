/** What a bus tells of itself; `gateway.ts` hands in who listens. */

export interface BusLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

/** Whether the log can be used, in one word for the health check. */
export interface BusStatus {
  block(reason: string): void;
  clear(): void;
}
