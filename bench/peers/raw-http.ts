/**
 * Peer of `api`: a bare uWebSockets.js POST handler that reads the body and answers, the limit of what is possible; on
 * another port WebSockets that may stand idle beside it. Arguments: the port of the WebSockets, and that of the handler.
 */
import { App } from "../../src/uws/uws.ts";

const [socketPort, httpPort] = [Number(process.argv[2]), Number(process.argv[3])];
const listening = (port: number) => (socket: unknown) => {
  if (socket === false) throw new Error(`cannot listen on port ${port}`);
};

App()
  .ws("/*", {
    idleTimeout: 0,
    sendPingsAutomatically: false,
    message: (ws, bytes, isBinary) => {
      ws.subscribe(Buffer.from(bytes).toString("latin1", 1));
      ws.send(bytes, isBinary);
    },
  })
  .listen("127.0.0.1", socketPort, listening(socketPort));

App()
  .post("/*", (response) => {
    let isAborted = false;
    response.onAborted(() => {
      isAborted = true;
    });
    response.onData((_chunk, isLast) => {
      if (isLast && !isAborted) response.writeHeader("Content-Type", "application/json").end('{"result":{}}');
    });
  })
  .listen("127.0.0.1", httpPort, listening(httpPort));
