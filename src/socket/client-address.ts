/**
 * The client's own address behind trusted proxies. What a peer claims, by PROXY protocol or X-Forwarded-For, counts only
 * where the peer is listed: uWebSockets.js itself accepts either from anyone.
 */
import { BlockList, isIP } from "node:net";
import type { HandshakeRequest } from "./handshake.ts";

export class TrustedProxies {
  readonly #trusted = new BlockList();
  /** Nobody is trusted: the client is whoever connects. */
  readonly isEmpty: boolean;

  /** Addresses and networks in CIDR notation. */
  constructor(proxies: readonly string[]) {
    this.isEmpty = proxies.length === 0;
    for (const proxy of proxies) {
      const [address = "", prefix] = proxy.split("/");
      if (prefix === undefined) this.#trusted.addAddress(address, family(address));
      else this.#trusted.addSubnet(address, Number(prefix), family(address));
    }
  }

  /** Walks back from the socket, hop by hop, to the first address that is not a trusted proxy. */
  clientAddress({ peerAddress, proxiedAddress, headers }: HandshakeRequest): string {
    let address = peerAddress;
    if (this.isEmpty || !this.#isTrusted(address)) return address;
    if (proxiedAddress !== "") address = proxiedAddress;
    const hops = (headers.get("x-forwarded-for") ?? "").split(",").map((hop) => withoutPort(hop.trim()));
    while (this.#isTrusted(address)) {
      const hop = hops.pop();
      if (hop === undefined || isIP(hop) === 0) break; // a name would be the proxy's mistake, or a lie
      address = hop;
    }
    return address;
  }

  #isTrusted(address: string): boolean {
    return isIP(address) !== 0 && this.#trusted.check(address, family(address));
  }
}

/** Some proxies add the port: `1.2.3.4:5678`, `[2001:db8::1]:5678`. */
function withoutPort(hop: string): string {
  return /^(\d+(?:\.\d+){3}):\d+$/.exec(hop)?.[1] ?? /^\[(.+)\](?::\d+)?$/.exec(hop)?.[1] ?? hop;
}

const family = (address: string): "ipv4" | "ipv6" => (isIP(address) === 6 ? "ipv6" : "ipv4");
