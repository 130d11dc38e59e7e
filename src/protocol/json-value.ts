/**
 * What may travel as a published value: JSON and nothing else, nested to a bounded depth.
 *
 * JSON.parse accepts any depth and JSON.stringify overflows the stack on it; MessagePack brings dates, sets, regular
 * expressions, big integers and binary that JSON has no form for. Both are found here, before anything is built from
 * the value.
 */

/** What is expected of a value that is nested too deeply; the caller knows how deep it may be. */
export const lessNesting = "JSON value with less nesting";

/** `undefined` where `value` is JSON of at most `depthMax` levels, else what was expected instead. Linear in the value. */
export function jsonFault(value: unknown, depthMax: number): string | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined;
    case "number":
      return Number.isFinite(value) ? undefined : "JSON value (a number must be finite)";
    case "object":
      break;
    default:
      return "JSON value";
  }
  if (value === null) return undefined;
  if (depthMax === 0) return lessNesting;
  if (Array.isArray(value)) {
    for (const item of value) {
      const fault = jsonFault(item, depthMax - 1);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return "JSON value";
  for (const key in value) {
    const fault = jsonFault((value as Record<string, unknown>)[key], depthMax - 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
