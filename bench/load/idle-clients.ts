/**
 * The load process of `idle`: opens connections that subscribe to one channel each and then stay silent. Prints `true`
 * when all are open, and ends with its standard input.
 */
import { openClients } from "./client.ts";
import { answer, readJob, type ServerAddress, targetOf } from "./job.ts";

export interface IdleJob {
  readonly server: ServerAddress;
  readonly count: number;
  /** Come without a token. */
  readonly isAnonymous: boolean;
}

const { server, count, isAnonymous } = readJob<IdleJob>();
const target = targetOf(server);
const token = isAnonymous ? () => "" : target.token;
await openClients({ ...target, token }, count, (number) => ({ number, channel: `room.${number}` }));
answer(true);
process.stdin.on("end", () => process.exit(0)).resume();
