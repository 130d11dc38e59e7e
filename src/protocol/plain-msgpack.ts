/**
 * Which MessagePack a client may send: what JSON has a form for, and the few types beside it that are plain data.
 *
 * msgpackr reads more than that from anyone, whatever its options say: records, references and string bundles let a
 * frame of 500 bytes unfold into gigabytes, and hold the process for minutes. So the shape of a frame is checked before
 * msgpackr sees it: what passes unfolds to no more values than it has bytes. Source: the MessagePack specification.
 */

/** Deeper than any frame that `decode` accepts, and far from the end of the stack. */
export const levelsMax = 512;

/**
 * True where `bytes` are exactly one value made of nil, booleans, numbers, strings, binary, arrays, maps with string
 * keys, timestamps and msgpackr's `undefined`; none of the keys is `__proto__`, which msgpackr renames. Linear.
 */
export function isPlainMsgpack(bytes: Uint8Array): boolean {
  return skipValue(bytes, 0, levelsMax) === bytes.length;
}

/** Not the end of any value; a value that should begin here is malformed as well. */
const malformed = Number.POSITIVE_INFINITY;

/** Where the value that begins at `at` ends: beyond the last byte where it is cut off, or `malformed`. */
function skipValue(bytes: Uint8Array, at: number, levels: number): number {
  const token = bytes[at];
  if (token === undefined || levels === 0) return malformed;
  if (token <= 0x7f || token >= 0xe0) return at + 1; // small integers
  if (token <= 0x8f) return skipMap(bytes, at + 1, token & 0x0f, levels - 1);
  if (token <= 0x9f) return skipArray(bytes, at + 1, token & 0x0f, levels - 1);
  if (token <= 0xbf) return at + 1 + (token & 0x1f); // strings up to 31 bytes
  switch (token) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return at + 1;
    case 0xc4: // binary
    case 0xd9: // string
      return at + 2 + unsigned(bytes, at + 1, 1);
    case 0xc5:
    case 0xda:
      return at + 3 + unsigned(bytes, at + 1, 2);
    case 0xc6:
    case 0xdb:
      return at + 5 + unsigned(bytes, at + 1, 4);
    case 0xcc: // unsigned and signed integers, of 1, 2, 4 and 8 bytes
    case 0xd0:
      return at + 2;
    case 0xcd:
    case 0xd1:
      return at + 3;
    case 0xca: // float 32
    case 0xce:
    case 0xd2:
      return at + 5;
    case 0xcb: // float 64
    case 0xcf:
    case 0xd3:
      return at + 9;
    case 0xdc:
      return skipArray(bytes, at + 3, unsigned(bytes, at + 1, 2), levels - 1);
    case 0xdd:
      return skipArray(bytes, at + 5, unsigned(bytes, at + 1, 4), levels - 1);
    case 0xde:
      return skipMap(bytes, at + 3, unsigned(bytes, at + 1, 2), levels - 1);
    case 0xdf:
      return skipMap(bytes, at + 5, unsigned(bytes, at + 1, 4), levels - 1);
    case 0xd4: // extension of one byte: type 0 is what msgpackr writes for `undefined`
      return bytes[at + 1] === 0 ? at + 3 : malformed;
    case 0xd6: // extensions of 4, 8 and n bytes: type -1 is the timestamp
      return bytes[at + 1] === 0xff ? at + 6 : malformed;
    case 0xd7:
      return bytes[at + 1] === 0xff ? at + 10 : malformed;
    case 0xc7:
      return bytes[at + 1] === 12 && bytes[at + 2] === 0xff ? at + 15 : malformed;
    default:
      return malformed;
  }
}

function skipArray(bytes: Uint8Array, start: number, count: number, levels: number): number {
  let at = start;
  for (let i = 0; i < count; i += 1) {
    at = skipValue(bytes, at, levels);
    if (at > bytes.length) return malformed; // a declared length of 2^32 costs no more than the bytes that are there
  }
  return at;
}

function skipMap(bytes: Uint8Array, start: number, count: number, levels: number): number {
  let at = start;
  for (let i = 0; i < count; i += 1) {
    if (!isKey(bytes, at)) return malformed;
    at = skipValue(bytes, skipValue(bytes, at, 1), levels);
    if (at > bytes.length) return malformed;
  }
  return at;
}

/** True where a string begins at `at` that may be a key. */
function isKey(bytes: Uint8Array, at: number): boolean {
  const token = bytes[at]!;
  const isShort = token >= 0xa0 && token <= 0xbf;
  const headerBytes = isShort ? 1 : longHeaderBytes[token - 0xd9];
  if (headerBytes === undefined) return false;
  const start = at + headerBytes;
  const isProtoLong = skipValue(bytes, at, 1) - start === protoKey.length;
  return !isProtoLong || protoKey.some((byte, i) => bytes[start + i] !== byte);
}

/** A string's header where it does not fit the token: with a length of 1, 2 and 4 bytes. */
const longHeaderBytes = [2, 3, 5] as const;
const protoKey = new TextEncoder().encode("__proto__");

/** The big-endian number of `size` bytes; where they are cut off, one that no value has room for. */
function unsigned(bytes: Uint8Array, at: number, size: number): number {
  let number = 0;
  for (let i = at; i < at + size; i += 1) number = number * 256 + (bytes[i] ?? malformed);
  return number;
}
