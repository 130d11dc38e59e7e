/**
 * The clients of the scenario `bridge`: ten that publish through one gateway, one that is subscribed at the other. Raw
 * sockets with frames made by hand, so that the load process costs the same whatever it loads.
 */
import type { Socket } from "node:net";
import { openClient } from "./client.ts";
import { type Dialect, frameOf } from "./dialects.ts";
import { ServerFrames } from "./server-frames.ts";

export interface Bridge {
  /** Publishes `text`, now or at the next `flush`. */
  publish(text: string): void;
  flush(): void;
}

const publishers = 10;

/** Opens all of them. `onMessage` gets the first ten characters of each message: its number. */
export async function openBridge(
  dialect: Dialect,
  ports: readonly [publish: number, subscribe: number],
  channel: string,
  onMessage: (number: number) => void,
): Promise<Bridge> {
  await open(dialect, ports[1], channel, (bytes, from, to) => {
    const at = bytes.indexOf(dialect.mark, from, "latin1");
    if (at !== -1 && at < to) onMessage(numberAt(bytes, at + dialect.mark.length));
  });
  const sockets: Socket[] = [];
  for (let i = 0; i < publishers; i += 1) sockets.push(await open(dialect, ports[0], undefined, refusedIsFault));
  const waiting: Buffer[][] = sockets.map(() => []);
  let next = 0;
  return {
    publish(text) {
      waiting[next]!.push(frameOf(dialect, dialect.publish(channel, text)));
      next = (next + 1) % publishers;
    },
    flush() {
      for (const [index, frames] of waiting.entries()) {
        if (frames.length === 0) continue;
        sockets[index]!.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames));
        waiting[index] = [];
      }
    },
  };
}

/** A publisher gets acknowledgements, or nothing: a refusal would be a message fewer that nobody notices. */
function refusedIsFault(bytes: Buffer, from: number, to: number): void {
  const at = bytes.indexOf('"success":false', from, "latin1");
  if (at !== -1 && at < to) throw new Error(`a publication was refused: ${bytes.toString("utf8", from, to)}`);
}

/** A number of ten decimal digits. */
function numberAt(bytes: Buffer, at: number): number {
  let number = 0;
  for (let i = at; i < at + 10; i += 1) number = number * 10 + bytes[i]! - 48;
  return number;
}

function open(
  dialect: Dialect,
  port: number,
  channel: string | undefined,
  onFrame: (bytes: Buffer, from: number, to: number) => void,
): Promise<Socket> {
  const frames = new ServerFrames(onFrame);
  const target = { port, dialect, token: () => "" };
  return openClient(target, { number: 0, channel, onBytes: (bytes) => frames.push(bytes) });
}
