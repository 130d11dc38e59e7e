/**
 * Peer: bare uWebSockets.js, the limit of what is possible. A frame that starts with `+` subscribes to the channel that
 * follows, and comes back as the answer; any other is published as it came to the channel of the connection. No parsing,
 * no checks. Arguments: the port to listen on, and `verify` where the token of a handshake is to be verified.
 */
import { App } from "../../src/uws/uws.ts";
import { isGoodToken } from "./verify-token.ts";

const verifies = process.argv[3] === "verify";

const app = App();
app.ws<{ channel: string }>("/*", {
  idleTimeout: 0,
  sendPingsAutomatically: false,
  maxPayloadLength: 1024 * 1024,
  maxBackpressure: 1024 * 1024,
  upgrade: (res, req, context) => {
    if (verifies && !isGoodToken(new URLSearchParams(req.getQuery()).get("token")))
      return void res.writeStatus("401 Unauthorized").end();
    const [key, protocol, extensions] = ["key", "protocol", "extensions"].map((name) =>
      req.getHeader(`sec-websocket-${name}`),
    );
    res.upgrade({ channel: "" }, key!, protocol!, extensions!, context);
  },
  message: (ws, bytes, isBinary) => {
    const data = ws.getUserData();
    if (new Uint8Array(bytes)[0] === 43 && data.channel === "") {
      data.channel = Buffer.from(bytes).toString("latin1", 1);
      ws.subscribe(data.channel);
      ws.send(bytes, isBinary);
    } else app.publish(data.channel, bytes, isBinary);
  },
});
app.listen("0.0.0.0", Number(process.argv[2]), (socket) => {
  if (socket === false) throw new Error(`cannot listen on port ${process.argv[2]}`);
  process.stdout.write("ready\n");
});
