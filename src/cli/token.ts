/** `tidegate token`: a token signed with the configured secret, and nothing else on standard output. */
import { signToken } from "../auth/sign-token.ts";
import { loadConfig } from "../config/load-config.ts";
import { processEnvironment } from "../config/process-environment.ts";
import { commaSeparated } from "../config/settings.ts";
import { parseArguments, UsageError } from "./arguments.ts";
import { durationRule, parseDuration } from "./duration.ts";
import { print } from "./output.ts";

const grammar = {
  command: "token",
  flags: {
    user: "value",
    role: "value",
    channels: "value",
    publish: "value",
    channel: "value",
    expires: "value",
    config: "value",
  },
  operands: [],
} as const;

/** Throws a `UsageError`, a `ConfigError`, or an `AuthSetupError` where there is no secret to sign with. */
export function token(args: readonly string[]): void {
  const { values } = parseArguments(grammar, args);
  const { user: userId, role, channels, publish, channel, expires = "1h" } = values;
  if (userId === undefined || userId === "") throw new UsageError("token needs --user ID", "token");
  const expiresInSeconds = parseDuration(expires);
  if (expiresInSeconds === undefined)
    throw new UsageError(`--expires must be ${durationRule}, got ${JSON.stringify(expires)}`, "token");
  const { config } = loadConfig({ file: values.config, env: processEnvironment, flags: {} });
  const patterns = (list: string | undefined) => (list === undefined ? undefined : commaSeparated(list));
  const claims = { userId, role, channels: patterns(channels), publish: patterns(publish), channel, expiresInSeconds };
  print(signToken(config.auth, claims));
}
