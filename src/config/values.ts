/**
 * The kinds of value that configuration keys hold.
 *
 * Every schema carries its rule as the error text, worded to follow "must be": the reader of a fault is told what is
 * right, not which check failed.
 */
import { BlockList, isIP } from "node:net";
import { z } from "zod";

/** A whole number from `min` to `max`; `rule` says so where there is more to it. */
export function wholeNumber(min: number, max: number, rule = `a whole number from ${min} to ${max}`): z.ZodInt {
  return z.int(rule).min(min, rule).max(max, rule);
}

/** A whole number, or the word `auto`. */
export function numberOrAuto(min: number, max: number) {
  const rule = `a whole number from ${min} to ${max}, or auto`;
  return z.union([wholeNumber(min, max, rule), z.literal("auto", rule)], rule);
}

/** A list that may be written as a single text; `rule` describes the whole. The output is always a list. */
export function oneOrMore(item: z.ZodString, rule: string) {
  return z.union([item, z.array(item)], rule).transform((value) => (typeof value === "string" ? [value] : value));
}

/** A section of the file. */
export const mapRule = "a map of keys";

export const trueOrFalse: z.ZodBoolean = z.boolean("true or false");
export const text: z.ZodString = z.string("a text");
export const names = oneOrMore(z.string("a text").min(1, "a text that is not empty"), "a text or a list of texts");

const secretRule = "a secret of at least 32 bytes";
export const secret: z.ZodString = z.string(secretRule).refine(isLongEnough, secretRule);
export const secretOrEmpty: z.ZodString = z
  .string(`empty, or ${secretRule}`)
  .refine((value) => value === "" || isLongEnough(value), `empty, or ${secretRule}`);

const hostRule = "an IP address or a host name";
export const host: z.ZodString = z
  .string(hostRule)
  .max(253, hostRule)
  .refine((value) => isIP(value) !== 0 || isHostName(value), hostRule);

const originRule =
  '"*", "null", or an origin as browsers send it, such as https://example.com or https://*.example.com (no path, no ' +
  "default port, lower case)";
export const origins = oneOrMore(z.string(originRule).refine(isOrigin, originRule), "an origin or a list of origins");

const proxyRule = "an IP address or a network such as 10.0.0.0/8";
export const proxies = oneOrMore(z.string(proxyRule).refine(isNetwork, proxyRule), "a list of addresses and networks");

const httpUrlRule = "an http:// or https:// URL, or empty";
export const httpUrlOrEmpty: z.ZodString = z.string(httpUrlRule).refine(isHttpUrlOrEmpty, httpUrlRule);

function isHostName(value: string): boolean {
  const labels = value.split(".");
  const isNumeric = /^[\d.]+$/.test(value); // 300.1.1.1 is a mistyped address, not a name
  return !isNumeric && labels.every((label) => /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label));
}

function isOrigin(value: string): boolean {
  if (value === "*" || value === "null") return true;
  const [, scheme, isWildcard, rest] = /^([a-z][a-z0-9+.-]*):\/\/(\*\.)?([^/?#@*\s]+)$/.exec(value) ?? [];
  if (scheme === undefined || rest === undefined) return false;
  if (scheme !== "http" && scheme !== "https") return true; // an app's or an extension's own: any host
  const exact = `${scheme}://${isWildcard === undefined ? "" : "any."}${rest}`;
  return URL.canParse(exact) && new URL(exact).origin === exact;
}

/** True for what node:net's BlockList takes, which is also what compares the addresses later. */
function isNetwork(value: string): boolean {
  const [address = "", prefix, ...more] = value.split("/");
  const version = isIP(address);
  if (version === 0 || address.includes("%") || more.length > 0) return false;
  if (prefix === undefined) return true;
  if (!/^(?:0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > (version === 4 ? 32 : 128)) return false;
  new BlockList().addSubnet(address, Number(prefix), version === 4 ? "ipv4" : "ipv6");
  return true;
}

function isHttpUrlOrEmpty(value: string): boolean {
  return value === "" || (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol));
}

/** RFC 7518, section 3.2, asks for a key as long as the hash: 32 bytes for the shortest. */
function isLongEnough(value: string): boolean {
  return Buffer.byteLength(value) >= 32;
}
