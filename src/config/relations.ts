/**
 * What must hold between keys, and between the configuration and this machine's files; and what is allowed but unwise.
 *
 * Checked on all layers merged, because the two sides of a relation may come from different ones.
 */
import { accessSync, constants, statSync } from "node:fs";
import type { Config } from "./config-schema.ts";
import type { KeyPath } from "./key-path.ts";
import { withoutPassword } from "./secrets.ts";

export interface Relation {
  /** The keys it binds; the first is the one to name. A relation with a faulty key is not looked at. */
  readonly paths: readonly [KeyPath, ...KeyPath[]];
  /** What is wrong, to read on from the first key's name; `undefined` for nothing. */
  readonly fault: string | undefined;
}

/** Every relation and how it stands in `config`. Touches the files that the configuration names. */
export function relationsOf(config: Config): Relation[] {
  const { port, adminPort, messageBytesMax, sendQueueBytesMax, tls, auth, api, redis, hooks, webhooks } = config;
  const queueBytesMin = 4 * messageBytesMax;
  return [
    {
      paths: [["adminPort"], ["port"]],
      fault: unless(adminPort === 0 || adminPort !== port, `must not be the same as port, got ${adminPort}`),
    },
    {
      paths: [["sendQueueBytesMax"], ["messageBytesMax"]],
      fault: unless(
        sendQueueBytesMax >= queueBytesMin,
        `must be at least 4 x messageBytesMax, here ${queueBytesMin}, got ${sendQueueBytesMax}`,
      ),
    },
    {
      paths: [
        ["tls", "certFile"],
        ["tls", "keyFile"],
      ],
      fault: unless(
        (tls.certFile === "") === (tls.keyFile === ""),
        "must be given together with tls.keyFile, or neither",
      ),
    },
    {
      paths: [
        ["tls", "passphrase"],
        ["tls", "keyFile"],
      ],
      fault: unless(tls.passphrase === "" || tls.keyFile !== "", "must be empty without tls.keyFile"),
    },
    {
      paths: [
        ["auth", "required"],
        ["auth", "secret"],
        ["auth", "keys"],
        ["auth", "jwksUrl"],
      ],
      fault: unless(
        !auth.required || auth.secret !== "" || auth.keys.length > 0 || auth.jwksUrl !== "",
        "must be false without auth.secret (TIDEGATE_AUTH__SECRET), auth.keys or auth.jwksUrl, got true",
      ),
    },
    {
      paths: [
        ["redis", "sentinels"],
        ["redis", "cluster"],
        ["redis", "url"],
      ],
      fault: unless(
        [redis.sentinels.length > 0, redis.cluster.length > 0, redis.url !== ""].filter(Boolean).length <= 1,
        "must be empty beside redis.cluster or redis.url: only one of the three says where Redis is",
      ),
    },
    {
      paths: [
        ["redis", "database"],
        ["redis", "cluster"],
      ],
      fault: unless(redis.database === 0 || redis.cluster.length === 0, "must be 0 in a Cluster"),
    },
    readable(["hooks", "module"], hooks.module),
    readable(["tls", "certFile"], tls.certFile),
    readable(["tls", "keyFile"], tls.keyFile),
    ...auth.keys.flatMap(({ secretFile = "", publicKeyFile = "" }, i) => [
      readable(["auth", "keys", i, "secretFile"], secretFile),
      readable(["auth", "keys", i, "publicKeyFile"], publicKeyFile),
    ]),
    ...api.keys.map(({ keyFile = "" }, i) => readable(["api", "keys", i, "keyFile"], keyFile)),
    ...webhooks.map(({ secretFile = "" }, i) => readable(["webhooks", i, "secretFile"], secretFile)),
  ];
}

/** Values that are accepted and will disappoint, each with what it leads to. */
export function warningsOf(config: Config): string[] {
  const { heartbeatInterval, connectionTimeout, heartbeatsPerMinuteMax, channels, idempotency, redis } = config;
  const warnings: string[] = [];
  if (heartbeatInterval >= connectionTimeout) {
    warnings.push(
      `heartbeatInterval (${heartbeatInterval} s) should be below connectionTimeout (${connectionTimeout} s): ` +
        "clients that only listen will time out",
    );
  }
  if (heartbeatsPerMinuteMax > 0 && heartbeatsPerMinuteMax < 60 / heartbeatInterval) {
    warnings.push(
      `heartbeatsPerMinuteMax (${heartbeatsPerMinuteMax}) should be at least ${Math.ceil(60 / heartbeatInterval)}: ` +
        `clients that answer a ping every ${heartbeatInterval} s will be refused`,
    );
  }
  for (const [pattern, { history }] of Object.entries(channels)) {
    if (history !== undefined && (history.size === 0) !== (history.seconds === 0)) {
      warnings.push(`channels["${pattern}"].history keeps nothing: size and seconds should both be above 0, or both 0`);
    }
  }
  if (redis.enabled) {
    const kept: [name: string, seconds: number][] = [
      ["idempotency.seconds", idempotency.seconds],
      ...Object.entries(channels).map(([pattern, { history }]): [string, number] => [
        `channels["${pattern}"].history.seconds`,
        history?.seconds ?? 0,
      ]),
    ];
    for (const [name, seconds] of kept) {
      if (seconds > redis.retentionSeconds) {
        warnings.push(
          `${name} (${seconds} s) should not be above redis.retentionSeconds (${redis.retentionSeconds} s): ` +
            "a node that starts later knows less than the others",
        );
      }
    }
  } else {
    for (const key of ["url", "sentinels", "cluster"] as const) {
      if (redis[key].length > 0)
        warnings.push(`redis.${key} is given, but redis.enabled is false: this node shares nothing with others`);
    }
  }
  return warnings;
}

const unless = (holds: boolean, fault: string): string | undefined => (holds ? undefined : fault);

/** An empty name is no file. */
function readable(path: KeyPath, file: string): Relation {
  const reason = file === "" ? undefined : whyUnreadable(file);
  const fault = `must be a file that can be read, got ${JSON.stringify(withoutPassword(file))} (${reason})`;
  return { paths: [path], fault: unless(reason === undefined, fault) };
}

function whyUnreadable(file: string): string | undefined {
  try {
    accessSync(file, constants.R_OK);
    return statSync(file).isDirectory() ? "EISDIR" : undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}
