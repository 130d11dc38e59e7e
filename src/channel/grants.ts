/**
 * Channels that connections hold beyond their own rights: by a subscribe token, until that ends, or because the server
 * wants it so.
 */
import type { RevocableToken } from "../auth/revocations.ts";
import type { Connection, Grant } from "../connection/connection.ts";
import type { ErrorCode } from "../protocol/codes.ts";

/** By the server's will: no token, and no end but that of the subscription. */
export const serverGrant: Grant = Object.freeze({ expiresAt: Number.POSITIVE_INFINITY });

/** A channel that is held no longer. */
export interface EndedGrant {
  readonly connection: Connection;
  readonly channel: string;
  readonly code: ErrorCode;
}

export class Grants {
  readonly #holders = new Set<Connection>(); // of channels by a token
  readonly #isRevoked: (token: RevocableToken) => boolean;

  constructor(isRevoked: (token: RevocableToken) => boolean) {
    this.#isRevoked = isRevoked;
  }

  isRevoked(grant: Grant): boolean {
    return this.#isRevoked(grant);
  }

  lend(connection: Connection, channel: string, grant: Grant): void {
    connection.grants = (connection.grants ?? new Map()).set(channel, grant);
    if (grant !== serverGrant) this.#holders.add(connection);
  }

  /** Takes back what has expired or was revoked. Linear in the connections that hold something by a token. */
  takeEnded(unixSeconds: number): readonly EndedGrant[] {
    const ended: EndedGrant[] = [];
    for (const connection of this.#holders) {
      for (const [channel, grant] of connection.grants ?? []) {
        const isRevoked = this.#isRevoked(grant);
        if (!isRevoked && grant.expiresAt > unixSeconds) continue;
        connection.grants?.delete(channel);
        ended.push({ connection, channel, code: isRevoked ? "invalid_token" : "token_expired" });
      }
      if (!connection.grants?.size) this.#holders.delete(connection);
    }
    return ended;
  }

  closed(connection: Connection): void {
    this.#holders.delete(connection);
  }
}
