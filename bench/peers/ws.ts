/**
 * Peer: `ws`, as its documentation shows a broadcast: a set of sockets for each channel, each message parsed once, put
 * together once, and sent in a loop. The handshake's token is verified. No limits, no acknowledgements, no compression.
 * Argument: the port to listen on.
 */
import type { IncomingMessage } from "node:http";
import { type WebSocket, WebSocketServer } from "ws";
import { isGoodToken } from "./verify-token.ts";

const channels = new Map<string, Set<WebSocket>>();
const server = new WebSocketServer({
  port: Number(process.argv[2]),
  host: "0.0.0.0",
  backlog: 1024,
  verifyClient: ({ req }: { req: IncomingMessage }) =>
    isGoodToken(new URL(req.url ?? "", "ws://bench").searchParams.get("token")),
});
server.on("connection", (socket) => {
  const own: Set<WebSocket>[] = [];
  socket.on("message", (bytes) => {
    const { action, data } = JSON.parse(String(bytes));
    if (action === "subscribe") {
      const subscribers = channels.get(data.channel) ?? new Set();
      channels.set(data.channel, subscribers.add(socket));
      own.push(subscribers);
      socket.send(JSON.stringify({ success: true, action, channel: data.channel }));
    } else {
      const { channel, message } = data;
      const frame = JSON.stringify({ action: "message", channel, message });
      for (const subscriber of channels.get(channel) ?? []) subscriber.send(frame);
    }
  });
  socket.on("error", () => {}); // clients of the bench leave without a word
  socket.on("close", () => {
    for (const subscribers of own) subscribers.delete(socket);
  });
});
