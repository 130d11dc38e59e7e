/** Tokens for tests, signed with the secret of the test gateway. */
import { createSigner } from "fast-jwt";
import { testSecret } from "./gateway.ts";

/** A token for `claims`; ends in an hour unless they say otherwise. `exp: undefined` leaves the claim out. */
export function token(claims: Record<string, unknown>, secret: string = testSecret): string {
  const sign = createSigner({ key: secret, algorithm: "HS256", noTimestamp: claims.iat === undefined });
  const exp = Math.floor(Date.now() / 1000) + 3600;
  return sign(JSON.parse(JSON.stringify({ exp, ...claims })));
}
