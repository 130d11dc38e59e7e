/**
 * The guard against DNS rebinding: a web page on the internet may point its own name at 127.0.0.1 and read this port
 * through its visitor's browser. The browser then still sends that name as `Host`, and that is refused here.
 */
import { isIP } from "node:net";

/**
 * For a server bound to `boundHost`, a test of the `Host` header. Bound to an address that other machines reach, it is
 * the network's business who may ask, and every name passes; bound to loopback or to a name, only an IP address,
 * `localhost` and that name do.
 */
export function createHostCheck(boundHost: string): (hostHeader: string) => boolean {
  const bound = boundHost.toLowerCase();
  if (isIP(bound) !== 0 && !isLoopback(bound)) return () => true;
  return (hostHeader) => {
    const name = hostName(hostHeader);
    return name === "localhost" || name === bound || isIP(name.replace(/^\[(.*)\]$/, "$1")) !== 0;
  };
}

/** The name in a `Host` header: lower case, without the port; an IPv6 address keeps its brackets. */
export function hostName(hostHeader: string): string {
  return hostHeader.toLowerCase().replace(/:\d*$/, "");
}

/** An address of 127.0.0.0/8, ::1, or the former written as IPv6. A name is none. */
export function isLoopback(address: string): boolean {
  return isIP(address) !== 0 && (address === "::1" || address.startsWith("127.") || address.startsWith("::ffff:127."));
}
