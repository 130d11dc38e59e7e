/** Client frames as bytes (RFC 6455, section 5.2): final, masked with a zero key, so that the payload stays as it is. */
export function clientFrame(text: string | Uint8Array, isBinary = false): Buffer {
  const payload = Buffer.from(text as string);
  if (payload.length > 65_535) throw new Error("payloads of the bench are at most 65,535 bytes");
  const isShort = payload.length < 126;
  const header = Buffer.alloc(isShort ? 6 : 8);
  header[0] = isBinary ? 0x82 : 0x81;
  header[1] = 0x80 | (isShort ? payload.length : 126);
  if (!isShort) header.writeUInt16BE(payload.length, 2);
  return Buffer.concat([header, payload]);
}
