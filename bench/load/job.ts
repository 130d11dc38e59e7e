/**
 * What a load process is told, as one argument of JSON, and how it answers: one line of JSON on standard output.
 */
import { createSigner } from "fast-jwt";
import { secret } from "../secret.ts";
import type { Target } from "./client.ts";
import { dialects } from "./dialects.ts";

export interface ServerAddress {
  readonly port: number;
  readonly pid: number;
  /** A key of `dialects`. */
  readonly dialect: string;
}

/** The job of this process. */
export const readJob = <Job>(): Job => JSON.parse(process.argv[2] ?? "{}") as Job;

/** Each client is a user of its own, so that no token is verified from a cache. */
export function targetOf({ port, dialect }: ServerAddress): Target {
  const sign = createSigner({ key: secret, algorithm: "HS256", expiresIn: 3_600_000 });
  const token = (number: number): string => sign({ user_id: `${number}`, sub: `${number}`, role: "user" });
  return { port, dialect: dialects[dialect]!, token };
}

export const answer = (result: object | number | boolean): void =>
  void process.stdout.write(`${JSON.stringify(result)}\n`);

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const cell = new Int32Array(new SharedArrayBuffer(4));
/**
 * Stops the whole process, sockets too, for so long: what arrives meanwhile is read with fewer and larger reads. A timer
 * could not: the loop would wake up for every socket.
 */
export const rest = (ms: number): void => void Atomics.wait(cell, 0, 0, ms);
