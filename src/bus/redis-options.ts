/** The configuration of the Redis bus: the `redis` section, as `config` validates it. */
export interface RedisOptions {
  readonly enabled: boolean;
  /** `redis://`, `rediss://` with user, password and database; "": the fields below. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly database: number;
  /** Before every key. */
  readonly prefix: string;
  /** Speak TLS to Redis, and to Sentinels. */
  readonly tls: boolean;
  /** Sentinels as `host:port`, with the name of the master; none: no Sentinel. */
  readonly sentinels: readonly string[];
  readonly sentinelName: string;
  readonly sentinelPassword: string;
  /** Nodes of a Redis Cluster as `host:port`, some of them; none: no Cluster. */
  readonly cluster: readonly string[];
  /** Streams that the channels are spread over; the same on every node. */
  readonly shards: number;
  /** Entries (batches of messages) that a stream keeps, about. */
  readonly entriesMax: number;
  /** Messages older than this may be trimmed. */
  readonly retentionSeconds: number;
  /** Acknowledge only what a replica has as well (WAIT 1). */
  readonly durable: boolean;
  /** Bytes of publications that may wait while Redis is away; beyond it they are refused with `unavailable`. */
  readonly queueBytesMax: number;
  /** A node that was not heard of for this long is dead: its members leave. */
  readonly leaseSeconds: number;
}
