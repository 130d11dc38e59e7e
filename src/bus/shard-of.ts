/** Which of the log's separate orders a channel belongs to: the same on every node and in every worker. */

/** 0 to `shards` - 1. */
export function shardOf(channel: string, shards: number): number {
  return shards === 1 ? 0 : hash(channel) % shards;
}

/** FNV-1a, 32 bits. Source: draft-eastlake-fnv-17. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
