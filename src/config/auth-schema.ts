/**
 * The `auth` section: who may connect, and which tokens are believed.
 *
 * Its output is exactly `AuthOptions`. What concerns several keys that different layers may set (is there any key at
 * all?) is checked in `relations.ts`, on the whole.
 */
import { z } from "zod";
import { algorithms, type KeyOptions } from "../auth/auth-options.ts";
import { httpUrlOrEmpty, mapRule, names, secret, secretOrEmpty, text, trueOrFalse, wholeNumber } from "./values.ts";

/** The section as the file writes it. */
export const authSchema = z
  .strictObject(
    {
      required: trueOrFalse
        .default(false)
        .describe("Refuse handshakes without a valid token (401). Otherwise clients may connect as anonymous."),
      secret: secretOrEmpty
        .default("")
        .describe(
          "The secret that tokens are signed with, at least 32 bytes: short for one entry of keys. Better given by the " +
            "environment variable TIDEGATE_AUTH__SECRET than written into a file.",
        ),
      algorithm: z
        .enum(["HS256", "HS384", "HS512"], "HS256, HS384 or HS512")
        .default("HS256")
        .describe("The algorithm of secret: HS256, HS384 or HS512."),
      keys: z
        .array(keySchema(), "a list of keys")
        .superRefine(refuseRepeatedKids)
        .default([])
        .describe("Further keys. All of them are accepted at once, so that keys can be rotated."),
      jwksUrl: httpUrlOrEmpty
        .default("")
        .describe("Where an identity provider publishes its keys (JWKS, RFC 7517). Empty: nowhere."),
      issuer: names.prefault([]).describe("Accepted iss claims, one or a list. Empty: any."),
      audience: names.prefault([]).describe("Accepted aud claims, one or a list. Empty: any."),
      roles: names.prefault([]).describe("Accepted roles, one or a list. Empty: any."),
      clockToleranceSeconds: wholeNumber(0, 3600)
        .default(5)
        .describe("How far the clocks of this machine and of the token's issuer may differ."),
      expiringNoticeSeconds: wholeNumber(0, 86_400)
        .default(60)
        .describe("How long before a token's end its connection is sent token_expiring."),
      expiryGraceSeconds: wholeNumber(0, 86_400)
        .default(10)
        .describe("How long after a token's end its connection is closed, with 4003."),
    },
    mapRule,
  )
  .prefault({})
  .describe("Authentication by JSON Web Tokens.");

function keySchema() {
  return z
    .strictObject(
      {
        kid: text
          .min(1, "a text that is not empty")
          .optional()
          .describe("The kid header of its tokens. Without one the key is tried for every token of its algorithm."),
        algorithm: z.enum(algorithms, algorithms.join(", ")).describe("The only algorithm that this key is used with."),
        secret: secret.optional().describe("The shared secret of an HS algorithm, at least 32 bytes."),
        secretFile: text.min(1, "the name of a file").optional().describe("A file that holds the secret."),
        publicKeyFile: text
          .min(1, "the name of a file")
          .optional()
          .describe("A PEM file with the public key of an RS, PS, ES or EdDSA algorithm."),
      },
      mapRule,
    )
    .superRefine((key, context) => {
      const rule = sourceRule(key);
      if (rule !== undefined) context.addIssue({ code: "custom", message: rule });
    });
}

/** What is wrong with where `key` takes its bytes from; `undefined` for nothing. */
function sourceRule({ algorithm, secret, secretFile, publicKeyFile }: KeyOptions): string | undefined {
  const given = [secret, secretFile, publicKeyFile].filter((source) => source !== undefined).length;
  if (algorithm.startsWith("HS")) {
    if (given !== 1 || publicKeyFile !== undefined)
      return `a key with either secret or secretFile, as ${algorithm} needs`;
  } else if (given !== 1 || publicKeyFile === undefined) return `a key with only publicKeyFile, as ${algorithm} needs`;
  return undefined;
}

/** Two keys under one name would leave open which of them is meant. */
function refuseRepeatedKids(keys: readonly KeyOptions[], context: z.RefinementCtx): void {
  for (const [i, { kid }] of keys.entries()) {
    if (kid !== undefined && keys.findIndex((key) => key.kid === kid) < i)
      context.addIssue({ code: "custom", message: "a name that no other key has", path: [i, "kid"], input: kid });
  }
}
