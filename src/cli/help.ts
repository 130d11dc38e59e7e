/** What `tidegate help` prints. */
import { packagedConfigFile } from "../config/packaged-file.ts";

/** The commands, in the order of a newcomer's questions. */
export const commands = [
  "serve",
  "check",
  "doctor",
  "token",
  "tail",
  "publish",
  "connections",
  "disconnect",
  "info",
  "help",
] as const;
export type Command = (typeof commands)[number];

/** The help of one command; without one, of the program. */
export function helpText(command?: Command): string {
  return command === undefined || command === "help" ? overview : commandTexts[command];
}

const overview = `Tidegate: a self-hosted WebSocket gateway.

Usage: tidegate <command> [options]

Commands:
  serve        run the gateway
  check        check a configuration and print what it comes to
  doctor       look at this machine, Redis and certificates, and say what to change
  token        print a signed token, for trying things out
  tail         follow a channel in the terminal, and publish to it
  publish      publish a message, by the server API of a running gateway
  connections  list its connections
  disconnect   close some of them
  info         tell its nodes and what they hold
  help         explain a command: tidegate help serve

Options:
  -h, --help     show help; behind a command, that command's
      --version  show the version

Examples:
  tidegate serve                              ws://localhost:9501, with the defaults
  tidegate serve --config my.yaml --port 8080
  tidegate tail chat.room.1                   in two terminals: type to chat
  echo '{"price": 42}' | tidegate tail prices
  tidegate token --user 42 --expires 15m --config my.yaml

Configuration: defaults, then a YAML file, then environment variables, then flags; each overrides those before it.
  ${packagedConfigFile}
lists and explains every key. The variable of a key is TIDEGATE_ and its name: TIDEGATE_MAX_CONNECTIONS,
TIDEGATE_AUTH__SECRET.

Exit status: 0 success, 1 failure at run time, 2 wrong usage or configuration.
`;

const configFlag = "--config FILE       the configuration; without it the packaged gateway.yaml";

const apiFlags = `  --url URL           the admin port of a node (http://127.0.0.1:9502)
  --key-file FILE     a file with a key of api.keys; or in TIDEGATE_API_KEY. A gateway without keys needs none
  --raw               print the result as JSON`;

const commandTexts: Record<Exclude<Command, "help">, string> = {
  serve: `Run the gateway until SIGTERM or Ctrl-C. Then it says it is not ready, sends its clients away and ends; a second
signal ends it at once.

Usage: tidegate serve [options]

Options:
  ${configFlag}
  --host ADDRESS      the address clients connect to (0.0.0.0)
  --port PORT         the port clients connect to (9501; 0: any free one)
  --admin-host ADDRESS  the address of the console, the server API and metrics (127.0.0.1)
  --admin-port PORT   the port of the console, the server API and metrics (9502; 0: any free one)
  --workers N         share the connections between N processes; auto: one for each core (0: this process alone)
  --redis URL         share channels with other nodes through Redis: redis://host:6379
  --log-level LEVEL   trace, debug, info, warn, error, fatal or silent (info)

Examples:
  tidegate serve
  TIDEGATE_AUTH__SECRET="$(cat secret)" tidegate serve --config production.yaml
  TIDEGATE_ORIGINS=https://example.com tidegate serve --log-level debug
  tidegate serve --workers auto
`,
  check: `Check the configuration as serve would load it, with its key files, and print what it comes to as YAML; secrets are
masked. Everything that is wrong is reported at once, and the exit status is 2.

Usage: tidegate check [options]

Options:
  ${configFlag}

Examples:
  tidegate check --config my.yaml
  tidegate check | grep -A5 '^auth:'
`,
  doctor: `Look at what the gateway needs around it: the configuration, the limit of open files, the buffers of sockets, the
two ports, the certificate, and Redis with its version, memory, speed, rights and clock. One line a finding, OK, WARNING or
PROBLEM, with what to change. Ends with status 1 where there is a problem. Run it as the user that runs the gateway, with the same environment.
It changes nothing, but for a key in Redis that lasts a second.

Usage: tidegate doctor [options]

Options:
  ${configFlag}
  --json              print the findings as one JSON object

Examples:
  tidegate doctor --config production.yaml
  tidegate doctor --json | jq -r '.findings[] | select(.status != "ok") | .text'
`,
  token: `Print a token signed with the configured secret, for trying things out; in production whoever knows your users
signs them.

Usage: tidegate token --user ID [options]

Options:
  --user ID           whose token it is
  --role ROLE         the user's role (user)
  --channels A,B      patterns that the user may subscribe to besides the public ones
  --publish A,B       patterns that the user may publish to
  --channel NAME      a subscribe token instead: it grants the user this one channel
  --expires TIME      90s, 15m, 1h, 7d (1h)
  ${configFlag}

Examples:
  export TIDEGATE_AUTH__SECRET="$(openssl rand -base64 48)"
  tidegate token --user 42
  TIDEGATE_TOKEN="$(tidegate token --user 42 --channels 'private.team.>')" tidegate tail private.team.a
`,
  tail: `Follow a channel: print each message as time, sender, message. Publish each line of standard input: JSON where it is
JSON, otherwise text. After a lost connection it connects again and prints what it missed, where the channel keeps it.
Ends at Ctrl-C, or at Ctrl-D on a terminal; after the end of piped input it goes on listening.

Usage: tidegate tail CHANNEL [options]

Options:
  --url URL           the gateway (ws://127.0.0.1:9501)
  --token TOKEN       a token; better in TIDEGATE_TOKEN, where no process list shows it
  --since N           first print the channel's last N messages, as far as it keeps them (0)
  --raw               print every frame as it came, one JSON object a line

Examples:
  tidegate tail chat.room.1
  tidegate tail chat.room.1 --since 20
  tail -f app.log | tidegate tail logs.app >/dev/null
  tidegate tail prices --raw </dev/null | jq .message
`,
  publish: `Publish one message to a channel, as the server itself: by the server API of a running gateway, to all nodes.

Usage: tidegate publish CHANNEL JSON [options]

Options:
  --user ID           only to this user
  --key KEY           idempotency key: published again with it, nothing is delivered
${apiFlags}

Examples:
  tidegate publish chat.room.1 '"Hello everyone!"'
  tidegate publish prices '{"price": 42}' --key price-2026-01-01
`,
  connections: `List the open connections of all nodes, one a line: id, session, user, address, format, node, channels.

Usage: tidegate connections [options]

Options:
  --user ID           only this user's
${apiFlags}

Examples:
  tidegate connections --user 42
  tidegate connections --raw | jq .address
`,
  disconnect: `Close connections on all nodes, by user, connection or session; what is given adds up.

Usage: tidegate disconnect (--user ID | --connection ID | --session NAME) [options]

Options:
  --user ID           all connections of this user
  --connection ID     the connection of this connection_id
  --session NAME      the connection of this session
  --code CODE         4000 to 4499: come back; 4500 to 4999: do not (4503)
  --reason TEXT       at most 123 bytes
${apiFlags}

Examples:
  tidegate disconnect --user 42 --reason 'signed out'
  tidegate disconnect --connection 7 --code 4400
`,
  info: `Tell the nodes of a running gateway, their versions, connections and subscriptions, and what waits for its
webhooks or was given up.

Usage: tidegate info [options]

Options:
${apiFlags}

Examples:
  tidegate info
  tidegate info --url http://10.0.0.5:9502 --key-file /run/secrets/tidegate
`,
};
