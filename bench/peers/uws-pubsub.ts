/**
 * Peer: uWebSockets.js bridged by plain PUBLISH and SUBSCRIBE, as a short script does it: each message is parsed, put
 * together once, published to Redis and handed to the topic's subscribers by whoever hears it. No acknowledgement, no
 * history, no limits. Arguments: the port to listen on, the port of Redis.
 */
import { Redis } from "ioredis";
import { App } from "../../src/uws/uws.ts";

const [port, redisPort] = [Number(process.argv[2]), Number(process.argv[3])];
const [publisher, subscriber] = [new Redis({ port: redisPort }), new Redis({ port: redisPort })];
const app = App();
app.ws("/*", {
  idleTimeout: 0,
  sendPingsAutomatically: false,
  maxPayloadLength: 1024 * 1024,
  maxBackpressure: 16 * 1024 * 1024,
  open: (ws) => void ws.send('{"action":"welcome"}'),
  message: (ws, bytes) => {
    const { action, data } = JSON.parse(Buffer.from(bytes).toString());
    if (action === "subscribe") {
      ws.subscribe(data.channel);
      ws.send(JSON.stringify({ success: true, action, channel: data.channel }));
    } else {
      const { channel, message } = data;
      void publisher.publish(channel, JSON.stringify({ action: "message", channel, message }));
    }
  },
});
subscriber.on("pmessage", (_pattern, channel, text) => void app.publish(channel, text));
await subscriber.psubscribe("*");
app.listen("127.0.0.1", port, (socket) => {
  if (socket === false) throw new Error(`cannot listen on 127.0.0.1:${port}`);
  process.stdout.write("ready\n");
});
