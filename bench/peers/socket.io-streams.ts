/**
 * Peer: Socket.IO with its Redis streams adapter, as its documentation shows it: rooms, WebSocket transport alone,
 * ioredis. Arguments: the port to listen on, the port of Redis.
 */
import { createAdapter } from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";

const [port, redisPort] = [Number(process.argv[2]), Number(process.argv[3])];
const io = new Server({
  adapter: createAdapter(new Redis({ port: redisPort })),
  transports: ["websocket"],
  serveClient: false,
});
io.on("connection", (socket) => {
  socket.on("subscribe", (room: string, done: () => void) => {
    socket.join(room);
    done();
  });
  socket.on("message", (room: string, message: unknown) => {
    socket.to(room).emit("message", message);
  });
});
io.listen(port);
process.stdout.write("ready\n");
