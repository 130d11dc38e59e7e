/**
 * A program of its own: subscribers that read steadily and too slowly, so that the kernel makes room for them at any
 * moment, also in the middle of the gateway's own work. Arguments: port, channel, how many, bytes a millisecond of each.
 * Writes the line `ready` once all are subscribed, then for each, as one line of JSON, a `ReaderReport`.
 */
import { setImmediate as turn } from "node:timers/promises";
import { RawClient, requestFrame } from "../socket/raw-client.ts";

export interface ReaderReport {
  /** What the messages held, in the order of arrival. */
  readonly messages: readonly unknown[];
  /** Of the last message. */
  readonly position: { readonly offset: unknown; readonly epoch: unknown };
  /** `undefined` where the connection ended without a close frame. */
  readonly closeCode: number | undefined;
}

const [port, channel, count, bytesPerMs] = process.argv.slice(2) as [string, string, string, string];
const readers: RawClient[] = [];
for (let i = 0; i < Number(count); i += 1) {
  const reader = await RawClient.open({ after: () => {} }, Number(port));
  reader.write(requestFrame("subscribe", { channel }));
  await reader.next({ action: "subscribe" });
  readers.push(reader);
}
console.log("ready");
const startMs = performance.now();
while (readers.some(({ isOver }) => !isOver)) {
  const allowed = (performance.now() - startMs) * Number(bytesPerMs);
  for (const { socket } of readers) {
    if (socket.bytesRead < allowed) socket.resume();
    else socket.pause();
  }
  await turn();
}
for (const reader of readers) {
  const frames = reader.frames();
  const messages = frames.filter(({ opcode }) => opcode === 1).map(({ payload }) => JSON.parse(payload.toString()));
  const { offset, epoch } = messages.at(-1) ?? {};
  const closeCode = frames.find(({ opcode }) => opcode === 8)?.payload.readUInt16BE(0);
  const report: ReaderReport = {
    messages: messages.map(({ message }) => message.n),
    position: { offset, epoch },
    closeCode,
  };
  console.log(JSON.stringify(report));
}
