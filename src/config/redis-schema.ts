/** The `redis` section: where the log between nodes is, and how much of it is kept. See `RedisOptions`. */
import { z } from "zod";
import { host, mapRule, text, trueOrFalse, wholeNumber } from "./values.ts";

const addressRule = "host:port";
const addresses = z
  .array(z.string(addressRule).regex(/^[^:\s]+:\d{1,5}$/, addressRule), "a list of host:port")
  .default([]);
const urlRule =
  "empty, or redis://user:password@host:port/database (or rediss://) with a host, a port from 1 to 65535, a database " +
  "number up to 1000000, and special characters of user and password escaped (/ as %2F, # as %23, % as %25)";
const databaseMax = 1_000_000;

export const redisSchema = z
  .strictObject(
    {
      enabled: trueOrFalse.default(false).describe("Share one log with other nodes through Redis streams."),
      url: z
        .string(urlRule)
        .regex(/^$|^rediss?:\/\/\S+$/, urlRule)
        .refine(isRedisUrlOrEmpty, urlRule)
        .default("")
        .describe(
          "redis:// or rediss:// in place of host and port; a user, password or database in it goes before the keys below.",
        ),
      host: host.default("127.0.0.1").describe("The address of Redis."),
      port: wholeNumber(1, 65_535).default(6379).describe("The port of Redis."),
      username: text.default("").describe("Empty for Redis' default user."),
      password: text.default("").describe("Empty for none. Better given as TIDEGATE_REDIS__PASSWORD."),
      database: wholeNumber(0, databaseMax).default(0).describe("The database's number."),
      prefix: text.default("websocket:").describe("What every key in Redis begins with."),
      tls: trueOrFalse.default(false).describe("Speak TLS to Redis, and to Sentinels."),
      sentinels: addresses.describe("Sentinels as host:port; they name the master. Empty: no Sentinel."),
      sentinelName: text.default("mymaster").describe("What the Sentinels call the master."),
      sentinelPassword: text.default("").describe("The Sentinels' own password. Empty for none."),
      cluster: addresses.describe("Some nodes of a Redis Cluster as host:port. Empty: no Cluster."),
      shards: wholeNumber(1, 256)
        .default(1)
        .describe("Streams that channels are spread over, the same on all nodes. In a Cluster at least its masters."),
      entriesMax: wholeNumber(100, 10_000_000)
        .default(100_000)
        .describe("Entries that a stream keeps, about. An entry holds all messages of a node's turn."),
      retentionSeconds: wholeNumber(10, 604_800)
        .default(600)
        .describe("Older entries may be trimmed. A node that starts fills its history from what is kept."),
      durable: trueOrFalse
        .default(false)
        .describe("Acknowledge a message only when a replica has it as well (WAIT 1). Needs a replica."),
      queueBytesMax: wholeNumber(65_536, 4_294_967_296)
        .default(67_108_864)
        .describe("Publications that wait while Redis is away, in bytes; beyond it they are refused as unavailable."),
      leaseSeconds: wholeNumber(2, 300)
        .default(10)
        .describe("A node that was not heard of for this long is dead, and its members leave."),
    },
    mapRule,
  )
  .prefault({})
  .describe("The log between nodes.");

/** True for what ioredis can use as it is meant: it would throw at the start, or take a part of a password for a host. */
function isRedisUrlOrEmpty(value: string): boolean {
  if (value === "") return true;
  if (!URL.canParse(value)) return false;
  const { protocol, hostname, port, pathname, hash, username, password } = new URL(value);
  const isDatabase = pathname === "" || pathname === "/" || /^\/\d+$/.test(pathname);
  return (
    /^rediss?:$/.test(protocol) &&
    hostname !== "" &&
    port !== "0" &&
    isDatabase &&
    Number(pathname.slice(1)) <= databaseMax &&
    hash === "" &&
    isEscaped(username) &&
    isEscaped(password)
  );
}

function isEscaped(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}
