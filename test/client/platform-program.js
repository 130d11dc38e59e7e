/**
 * What a program does with the client, for any platform: it connects, subscribes, publishes, loses its connection, recovers
 * what it missed and publishes what waited. Imports `tidegate.js`, beside it, as `platforms.test.ts` puts it there.
 * Prints a line of JSON at the end, and ends by itself.
 */
import { createClient } from "./tidegate.js";

const url = process.argv[2];
const sockets = [];
class Kept extends globalThis.WebSocket {
  constructor(...given) {
    super(...given);
    sockets.push(this);
  }
}
const options = { backoffMinMs: 20 };
const ann = createClient(url, { ...options, WebSocket: Kept });
const ben = createClient(url, options);
const gaps = [];
ann.on("gap", (gap) => gaps.push(gap));
const refused = await ann.subscribe("private.closed").ready.catch(({ code }) => code);
const room = ann.subscribe("chat.platforms");
const other = ben.subscribe("chat.platforms");
await Promise.all([room.ready, other.ready]);
const values = [];
const reading = (async () => {
  for await (const { message } of room) {
    values.push(message);
    if (values.length === 4) break;
  }
})();
const { recipients_count } = await room.publish("Grüße");
const back = new Promise((resolve) => {
  const off = ann.on("welcome", () => {
    off();
    resolve();
  });
});
sockets[0].close();
await new Promise((resolve) => {
  const off = ann.on("close", () => {
    off();
    resolve();
  });
});
await other.publish("missed");
const waiting = room.publish("waited");
await back;
await waiting;
await other.publish("the last");
await reading;
const { sent, received, reconnections } = ann.counters;
console.log(JSON.stringify({ refused, recipients_count, values, gaps, sent, received, reconnections }));
ann.disconnect();
ben.disconnect();
