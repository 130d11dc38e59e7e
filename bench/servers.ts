/**
 * The servers of the bench: how each is started, and in which dialect it is spoken to. Tidegate runs at its default
 * configuration, with rate limits raised, tokens verified and metrics on.
 */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { secret } from "./secret.ts";

export interface Server {
  /** As the tables show it, and as `--compare` names it. */
  readonly name: string;
  /** A key of `dialects`. */
  readonly dialect: string;
  readonly command: (port: number) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const compiled = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const node = (file: string, port: number): string[] => [process.execPath, compiled(file), `${port}`];

export const raw: Server = { name: "raw", dialect: "raw", command: (port) => node("peers/raw-uws.js", port) };

/** For the scenario of handshakes: what somebody who verifies tokens would write on top of uWebSockets.js. */
export const verifyingRaw: Server = {
  name: "raw, tokens verified",
  dialect: "raw",
  command: (port) => [...node("peers/raw-uws.js", port), "verify"],
};

export const tidegate: Server = {
  name: "tidegate",
  dialect: "tidegate",
  command: (port) => [
    ...[process.execPath, compiled("../../main.js"), "serve", "--log-level", "error"],
    ...["--port", `${port}`, "--admin-port", "0"],
  ],
  env: { TIDEGATE_MAX_MESSAGES_PER_MINUTE: "0", TIDEGATE_AUTH__SECRET: secret },
};

/** The same, with clients that take batches, as `tidegate/client` does. */
export const batching: Server = { ...tidegate, name: "tidegate, batches", dialect: "tidegate-batches" };

/** `servers` with `variant` behind the one that it is a variant of. */
export const withVariant = (servers: readonly Server[], server: Server, variant: Server): readonly Server[] =>
  servers.flatMap((each) => (each === server ? [server, variant] : [each]));

/** What `--compare` chooses from. */
export const peers: readonly Server[] = [
  { name: "ws", dialect: "ws", command: (port) => node("peers/ws.js", port) },
  { name: "socket.io", dialect: "socket.io", command: (port) => node("peers/socket.io.js", port) },
  {
    name: "centrifugo",
    dialect: "centrifugo",
    command: (port) => ["centrifugo", `--http_server.port=${port}`, "--log.level=error"],
    env: {
      CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY: secret,
      CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_ALLOW_SUBSCRIBE_FOR_CLIENT: "true",
      CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_ALLOW_PUBLISH_FOR_CLIENT: "true",
    },
  },
];

/** The peers of these names, and those that cannot be had here. */
export function chosenPeers(names: readonly string[]): {
  readonly present: readonly Server[];
  readonly absent: readonly { readonly name: string; readonly reason: string }[];
} {
  const chosen = peers.filter(({ name }) => names.includes(name));
  const isAbsent = ({ name }: Server): boolean => name === "centrifugo" && !isOnPath(name);
  const absent = chosen.filter(isAbsent).map(({ name }) => ({ name, reason: `no ${name} on the PATH` }));
  return { present: chosen.filter((peer) => !isAbsent(peer)), absent };
}

/** True where `program` is in a folder of the PATH. */
const isOnPath = (program: string): boolean =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => folder !== "" && existsSync(join(folder, program)));
