/**
 * Clients on another machine, see `far-host.ts`: `far-clients.ts URL COUNT CHANNEL [deaf]` subscribes COUNT connections and
 * says so. `deaf`: they read nothing from then on.
 */
import { once } from "node:events";
import WebSocket from "ws";

const [url, count, channel, manner] = process.argv.slice(2);
await Promise.all(
  Array.from({ length: Number(count) }, async () => {
    const socket = new WebSocket(url!, { perMessageDeflate: false });
    socket.on("error", () => {});
    await once(socket, "open");
    socket.send(JSON.stringify({ action: "subscribe", data: { channel } }));
    await new Promise<void>((resolve) => {
      socket.on("message", (data: Buffer) => JSON.parse(data.toString()).action === "subscribe" && resolve());
    });
    if (manner === "deaf") socket.pause();
  }),
);
process.stdout.write("all subscribed\n");
