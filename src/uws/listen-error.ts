/**
 * Why a port could not be opened, and what to do about it. uWebSockets.js says no more than "false"; opening the same
 * address once more through node:net brings the system's own reason.
 */
import { createServer } from "node:net";

/** A listener that did not open. `code` is the system's, such as `EADDRINUSE`. */
export class ListenError extends Error {
  readonly code: string;

  constructor(host: string, port: number, cause: NodeJS.ErrnoException | undefined) {
    const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    const code = cause?.code ?? "UNKNOWN";
    super(`cannot listen on ${address}: ${advice[code] ?? `the system refused (${code}); try again`}`, { cause });
    this.name = "ListenError";
    this.code = code;
  }
}

/** The error for an address on which `listen` has just returned `false`. Never rejects. */
export function listenError(host: string, port: number): Promise<ListenError> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", (cause) => resolve(new ListenError(host, port, cause)));
    probe.listen({ host, port, exclusive: true }, () => {
      probe.close(() => resolve(new ListenError(host, port, undefined))); // it was freed in between
    });
  });
}

const advice: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use; stop the process that holds it (`ss -ltnp` names it) or configure another port",
  EACCES: "not permitted; configure a port above 1023, or grant this process CAP_NET_BIND_SERVICE",
  EADDRNOTAVAIL: "this machine does not have that address; configure one of its own, or 0.0.0.0 for all",
  EAFNOSUPPORT: "this machine has no IPv6; configure an IPv4 address",
  EINVAL: "not an address to listen on; configure an IP address of this machine, or 0.0.0.0 for all",
  ENOTFOUND: "no address is known for that name; configure an IP address of this machine",
  EAI_AGAIN: "the name could not be looked up; configure an IP address of this machine",
  EMFILE: "this process has no file descriptor left; raise its limit (`ulimit -n`)",
};
