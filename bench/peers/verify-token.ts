/** What an application makes of a token in the query, with the library and the options that Tidegate uses. */
import { createVerifier } from "fast-jwt";
import { secret } from "../secret.ts";

const verify = createVerifier({ key: secret, algorithms: ["HS256"], requiredClaims: ["exp"] });

/** `token` is the query's; throws unless it is good. */
export function verifyToken(token: unknown): void {
  if (typeof token !== "string") throw new Error("a token is required");
  verify(token);
}
