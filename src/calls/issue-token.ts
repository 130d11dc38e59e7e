/** The call `token`: a short-lived token for a client, signed with the secret that this gateway verifies tokens with. */
import { randomUUID } from "node:crypto";
import type { AuthOptions } from "../auth/auth-options.ts";
import { AuthSetupError } from "../auth/auth-setup-error.ts";
import { signToken } from "../auth/sign-token.ts";
import { type Clock, systemClock } from "../clock/clock.ts";
import { tokenSecondsDefault } from "./call-schemas.ts";
import type { IssuedToken, TokenCall } from "./call-table.ts";
import { CallError } from "./calls.ts";

/** Throws `CallError`: `not_found` where there is no secret to sign with, `invalid_call` for a role that is refused. */
export function issueToken(options: AuthOptions, call: TokenCall, clock: Clock = systemClock): IssuedToken {
  const { user, role, channels, publish, channel, ttlSeconds = tokenSecondsDefault } = call;
  const jti = randomUUID();
  const now = clock.unixSeconds();
  const claims = { userId: String(user), role, channels, publish, channel, expiresInSeconds: ttlSeconds, jti };
  try {
    return {
      token: signToken(options, claims, { ...clock, unixSeconds: () => now }),
      jti,
      expiresAt: now + ttlSeconds,
    };
  } catch (error) {
    if (!(error instanceof AuthSetupError)) throw error;
    const code = error.code === "claims" ? "invalid_call" : "not_found";
    throw new CallError(code, error.message, { cause: error });
  }
}
