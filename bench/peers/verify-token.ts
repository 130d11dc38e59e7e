/** What an application makes of a token in the query, with the library and the options that Tidegate uses. */
import { createVerifier } from "fast-jwt";
import { secret } from "../secret.ts";

const verify = createVerifier({ key: secret, algorithms: ["HS256"], requiredClaims: ["exp"] });

/** `token` is the query's. */
export function isGoodToken(token: unknown): boolean {
  if (typeof token !== "string") return false;
  try {
    verify(token);
    return true;
  } catch {
    return false;
  }
}
