/**
 * Peer: Socket.IO as its documentation shows it: rooms, WebSocket transport alone, in memory, and a middleware that verifies
 * the handshake's token. Argument: the port to listen on.
 */
import { createServer } from "node:http";
import { Server } from "socket.io";
import { isGoodToken } from "./verify-token.ts";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], serveClient: false });
io.use((socket, next) => {
  next(isGoodToken(socket.handshake.query.token) ? undefined : new Error("a good token is required"));
});
io.on("connection", (socket) => {
  socket.on("subscribe", (room: string, done: () => void) => {
    socket.join(room);
    done();
  });
  socket.on("message", (room: string, message: unknown) => {
    io.to(room).emit("message", message);
  });
});
http.listen({ port: Number(process.argv[2]), host: "0.0.0.0", backlog: 1024 });
