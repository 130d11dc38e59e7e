/**
 * The port that all workers open. It is looked for before there are workers: "any free one" would be another one for
 * each of them, and a port that someone else holds is a reason not to start at all.
 */
import { type AddressInfo, createServer } from "node:net";
import { ListenError } from "../uws/listen-error.ts";

/** `port`, or a free one for 0. Rejects with a `ListenError` where it cannot be opened. */
export function findSharedPort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (cause) => reject(new ListenError(host, port, cause)));
    probe.listen({ host, port, exclusive: true }, () => {
      const { port: found } = probe.address() as AddressInfo;
      probe.close(() => resolve(found));
    });
  });
}
