/**
 * Every key of the configuration: its range, its default, and the sentence that explains it.
 *
 * The sentences are the JSON Schema's, and a test keeps the comments of `config/gateway.yaml` equal to them. Ranges end
 * below what the native library and the timers can hold: bytes below 2^31, and times below 2^31 ms, which is 24 days.
 */

import { z } from "zod";
import { logFormats, logLevels } from "../log/log.ts";
import { apiSchema } from "./api-schema.ts";
import { authSchema } from "./auth-schema.ts";
import { calloutsSchema, hooksSchema } from "./callouts-schema.ts";
import { channelsSchema } from "./channels-schema.ts";
import { redisSchema } from "./redis-schema.ts";
import { host, mapRule, numberOrAuto, origins, proxies, text, wholeNumber } from "./values.ts";
import { webhookLimitsSchema, webhooksSchema } from "./webhooks-schema.ts";

const port = () => wholeNumber(0, 65_535); // the native listener takes 80808 as 15272 without a word
const perMinuteMax = 1_000_000;
const connectionsMax = 2_000_000; // connection/slots.ts ends at 2^21 - 1
const bytesPerSecondRule = "0, or a whole number from 1024 to 1073741824";

/** Parses one layer or all of them merged. Every key has a default. */
export const configSchema = z.strictObject(
  {
    host: host
      .default("0.0.0.0")
      .describe('The address that clients connect to. "0.0.0.0" is all of IPv4, "::" all of IPv4 and IPv6.'),
    port: port().default(9501).describe("The port that clients connect to. 0: any free one."),
    adminHost: host
      .default("127.0.0.1")
      .describe("The address of the admin port. Whoever reaches it may read the metrics: never a public one."),
    adminPort: port()
      .default(9502)
      .describe(
        "The port of the console, the server API, /metrics and health; never the same as port. 0: any free one.",
      ),
    workers: numberOrAuto(0, 256)
      .default(0)
      .describe(
        "Processes that share the port and its connections, 0 to 256; auto: one for each core. 0 or 1: this process alone.",
      ),

    connectionTimeout: wholeNumber(1, 86_400)
      .default(300)
      .describe("Seconds without any sign of life (a frame or a pong) after which a connection is closed with 4001."),
    heartbeatInterval: wholeNumber(1, 3600)
      .default(30)
      .describe("Seconds between two pings to a connection. Keep it well below connectionTimeout."),
    maxMessagesPerMinute: wholeNumber(0, perMinuteMax)
      .default(60)
      .describe("Messages a minute that one connection may send. 0: no limit."),
    maxConnections: wholeNumber(0, connectionsMax)
      .default(100_000)
      .describe("Connections that a process holds at most; further handshakes get 503. 0: no limit."),
    connectionsPerAddressMax: wholeNumber(0, connectionsMax)
      .default(0)
      .describe(
        "Connections from one address at most; further handshakes get 429. 0: no limit. Behind a load balancer set " +
          "trustedProxies first, or all clients count as one address.",
      ),
    heartbeatsPerMinuteMax: wholeNumber(0, perMinuteMax)
      .default(120)
      .describe("Pings and pongs a minute, WebSocket's own too, of one connection besides its messages. 0: no limit."),
    floodRefusalsPerMinuteMax: wholeNumber(0, perMinuteMax)
      .default(600)
      .describe("More refused frames a minute than this close a connection with 4508. 0: never."),
    bytesPerSecondMax: wholeNumber(0, 1_073_741_824, bytesPerSecondRule)
      .refine((value) => value === 0 || value >= 1024, bytesPerSecondRule)
      .default(0)
      .describe("Bytes a second that one connection may send, at least 1024. 0: no limit."),
    messageBytesMax: wholeNumber(1024, 16_777_216)
      .default(65_536)
      .describe("Bytes of a client's frame at most; a larger one closes its connection with 1009."),
    sendQueueBytesMax: wholeNumber(65_536, 268_435_456)
      .default(1_048_576)
      .describe(
        "Bytes that may wait for a slow client before it is closed with 4002; at least 4 x messageBytesMax, so that a " +
          "few large messages never look like a slow client.",
      ),
    batchItemsMax: wholeNumber(1, 1000).default(100).describe("Items of a batch frame at most."),
    depthMax: wholeNumber(1, 128).default(32).describe("Levels of arrays and objects in a message at most."),
    channelsPerConnectionMax: wholeNumber(1, 1_000_000)
      .default(1000)
      .describe("Channels that one connection may be subscribed to at once."),

    origins: origins
      .prefault(["*"])
      .describe(
        "Web pages that may connect, by origin, such as https://example.com; https://*.example.com is any host below it, " +
          '"*" any page, "null" pages without an origin. Clients that are not browsers send none and are let in.',
      ),
    trustedProxies: proxies
      .prefault([])
      .describe("Addresses and networks (10.0.0.0/8) whose X-Forwarded-For and PROXY headers are believed."),
    compression: z
      .enum(["disabled", "shared", "dedicated"], "disabled, shared or dedicated")
      .default("disabled")
      .describe(
        "permessage-deflate: disabled, shared (0.7 KB a connection), or dedicated (better compression, 74 KB a connection).",
      ),
    tls: z
      .strictObject(
        {
          certFile: text.default("").describe("A PEM file with the certificate and its chain. Empty: no TLS."),
          keyFile: text.default("").describe("A PEM file with the certificate's private key. Both or neither."),
          passphrase: text.default("").describe("The passphrase of keyFile; empty for none."),
        },
        mapRule,
      )
      .prefault({})
      .describe("TLS on the public port (wss://), where no load balancer ends it."),

    auth: authSchema,
    api: apiSchema,
    channels: channelsSchema,
    callouts: calloutsSchema,
    hooks: hooksSchema,
    presence: z
      .strictObject(
        {
          leaveGraceSeconds: wholeNumber(0, 300)
            .default(5)
            .describe("A member that comes back within this time has not left."),
        },
        mapRule,
      )
      .prefault({})
      .describe("Members of channels whose policy says presence: true."),
    history: z
      .strictObject(
        {
          bytesMax: wholeNumber(1_048_576, 68_719_476_736)
            .default(268_435_456)
            .describe(
              "Memory for the messages of all channels; when it is full, the oldest go first. One channel keeps at most " +
                "half of sendQueueBytesMax, so that its replay fits a client's queue.",
            ),
        },
        mapRule,
      )
      .prefault({})
      .describe("Messages kept for recovery, on channels whose policy says so."),
    idempotency: z
      .strictObject(
        {
          seconds: wholeNumber(0, 86_400)
            .default(300)
            .describe(
              "How long a publication's key is remembered, so that sending it again delivers nothing. 0: never.",
            ),
          keysMax: wholeNumber(0, 10_000_000)
            .default(100_000)
            .describe("Keys remembered at most; when it is reached, the oldest go first."),
        },
        mapRule,
      )
      .prefault({})
      .describe("Publications that carry a key are delivered once, however often they are sent."),
    drain: z
      .strictObject(
        {
          delaySeconds: wholeNumber(0, 300)
            .default(5)
            .describe(
              "After SIGTERM, how long /readyz says no before the listener closes: time for the load balancer.",
            ),
          seconds: wholeNumber(0, 3600)
            .default(10)
            .describe("Then the time over which the connections are sent away, a few at a time."),
        },
        mapRule,
      )
      .prefault({})
      .describe("The way a node stops."),
    log: z
      .strictObject(
        {
          level: z
            .enum(logLevels, "trace, debug, info, warn, error, fatal or silent")
            .default("info")
            .describe("The least level that is written: trace, debug, info, warn, error, fatal or silent."),
          format: z
            .enum(logFormats, "auto, json or pretty")
            .default("auto")
            .describe("json: one object a line. pretty: for people. auto: pretty on a terminal, else json."),
        },
        mapRule,
      )
      .prefault({})
      .describe("Logs, on standard output."),
    redis: redisSchema,
    webhooks: webhooksSchema,
    webhookLimits: webhookLimitsSchema,
  },
  mapRule,
);

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** The whole configuration, validated; frozen to the bottom. Each part of the gateway gets its own slice of it. */
export type Config = DeepReadonly<z.output<typeof configSchema>>;
