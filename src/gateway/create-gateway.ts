/**
 * A gateway inside another program, as the WebSocket guide embeds its handler: made from options, started and stopped by
 * the program, asked and told by calls, and asking the program by hooks.
 *
 * The rule: the options are the configuration file's, checked by the same schema. The environment and the command line
 * are the program's own, and are not read.
 */
import type { z } from "zod";
import { CallRunner } from "../calls/call-runner.ts";
import { taskOf } from "../calls/call-tasks.ts";
import {
  type Affected,
  CallError,
  type ConnectionInfo,
  type ConnectionsCall,
  type DisconnectCall,
  type Page,
  type PublishCall,
  type Published,
} from "../calls/calls.ts";
import { ConfigError } from "../config/config-error.ts";
import type { configSchema } from "../config/config-schema.ts";
import { loadConfig } from "../config/load-config.ts";
import type { Hooks } from "../guard/hooks.ts";
import { createLog, type Log } from "../log/log.ts";
import { hookNames } from "../metrics/guard-counters.ts";
import { callServices } from "./admin-port.ts";
import type { Gateway } from "./gateway.ts";
import { startGateway } from "./start-gateway.ts";

type RunningGateway = Awaited<ReturnType<typeof startGateway>>;
type Settings = z.input<typeof configSchema>;

/** The keys of the configuration file; `hooks` has the functions too, and `log` may be a log of the program's own. */
export interface GatewayOptions extends Omit<Settings, "hooks" | "log"> {
  readonly hooks?: (Hooks & Settings["hooks"]) | undefined;
  readonly log?: Log | Settings["log"] | undefined;
}

export interface EmbeddedGateway {
  /**
   * Resolves once clients can connect, and calls are answered: while Redis is away it waits, with the ports open. Rejects
   * where a port, a key or a certificate cannot be had, or where `stop` comes before.
   */
  start(): Promise<void>;
  /** Drains as configured, or as told; resolves when everything is closed and no hook is waited for. */
  stop: Gateway["stop"];
  /** The ports that were opened. Throw while it is not running. */
  readonly port: number;
  readonly adminPort: number;
  /** Resolves once the log has the message. Rejects with `CallError`, as the others do. */
  publish(call: PublishCall): Promise<Published>;
  /** Publishes in the order given; one result for each, in that order. */
  broadcastBatch(calls: readonly PublishCall[]): Promise<readonly (Published | CallError)[]>;
  disconnect(call: DisconnectCall): Promise<Affected>;
  connections(call?: ConnectionsCall): Promise<Page<ConnectionInfo>>;
}

/** Throws `ConfigError` with everything that is wrong with `options`. Opens nothing before `start()`. */
export function createGateway(options: GatewayOptions = {}): EmbeddedGateway {
  const { hooks, settings } = separated(options);
  const { config, warnings } = loadConfig({ env: {}, flags: {}, embedded: settings });
  refuseWhatCannotBeEmbedded(config, hooks);
  const log = isLog(options.log) ? options.log : createLog(config.log);

  let running: RunningGateway | undefined;
  let starting: Promise<RunningGateway> | undefined;
  let stopping: Promise<void> | undefined;
  const opened = (what: string): Gateway => {
    if (running === undefined) throw new CallError("unavailable", `cannot ${what}: the gateway is not running`);
    return running;
  };
  /** Checks the call as if it had come by HTTP, and carries it out. */
  const run = async <T>(name: "publish" | "disconnect" | "connections", call: unknown): Promise<T> => {
    const services = callServices(config, opened(taskOf(name)).calls);
    const runner = new CallRunner(services, { ...config, ...config.api }, log);
    try {
      return (await runner.run(name, call)) as T;
    } catch (error) {
      throw runner.callErrorOf(name, error);
    }
  };
  const publish = (call: PublishCall): Promise<Published> => run("publish", call);
  return {
    async start() {
      if (stopping !== undefined) throw new Error("cannot start gateway: it is stopping; wait for stop()");
      if (running !== undefined || starting !== undefined)
        throw new Error("cannot start gateway: it is running already");
      for (const warning of warnings) log.warn({ warning }, "configuration");
      try {
        starting = startGateway(config, log, hooks);
        running = await starting;
      } finally {
        starting = undefined;
      }
      await running.ready;
      if (stopping !== undefined || running === undefined)
        throw new Error("cannot start gateway: it was stopped before");
    },
    async stop(drain) {
      if (starting !== undefined) await starting.catch(() => {}); // whoever started it hears of it
      stopping ??= running?.stop(drain).finally(() => {
        running = undefined;
        stopping = undefined;
      });
      await stopping;
    },
    get port() {
      return opened("tell port").port;
    },
    get adminPort() {
      return opened("tell adminPort").adminPort;
    },
    publish,
    async broadcastBatch(batch) {
      if (!Array.isArray(batch))
        throw new CallError("invalid_call", `cannot broadcastBatch: it must be a list of calls, got ${typeof batch}`);
      return Promise.all(Array.from(batch, (call: PublishCall) => publish(call).catch((error: CallError) => error)));
    },
    disconnect: (call) => run("disconnect", call),
    connections: (call = {}) => run("connections", call),
  };
}

/** The hook functions, `undefined` where there are none, and what is left for the schema. */
function separated(options: GatewayOptions): { hooks: Hooks | undefined; settings: object } {
  refuseAllButObject("options", options);
  const { hooks = {}, log, ...rest } = options;
  refuseAllButObject("hooks", hooks);
  const given = hookNames.filter((name) => hooks[name] !== undefined); // methods of a class are found too
  const wrong = given.filter((name) => typeof hooks[name] !== "function");
  if (wrong.length > 0) {
    const text = (name: keyof Hooks) => `must be a function, got a ${typeof hooks[name]}`;
    throw new ConfigError(wrong.map((name) => ({ source, key: `hooks.${name}`, text: text(name) })));
  }
  const isPlain = Object.getPrototypeOf(hooks) === Object.prototype; // an object of a class has fields of its own
  const others = Object.entries(isPlain ? hooks : {}).filter(([name]) => !(given as string[]).includes(name));
  return {
    hooks: given.length === 0 ? undefined : hooks,
    settings: { ...rest, hooks: Object.fromEntries(others), ...(!isLog(log) && { log }) },
  };
}

function refuseAllButObject(key: string, value: unknown): void {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return;
  const got = value === null ? "null" : Array.isArray(value) ? "a list" : `a ${typeof value}`;
  throw new ConfigError([{ source, key, text: `must be an object, got ${got}` }]);
}

function refuseWhatCannotBeEmbedded(
  { workers, hooks: { module } }: ReturnType<typeof loadConfig>["config"],
  hooks: Hooks | undefined,
): void {
  if (workers === "auto" || workers > 1) {
    const text = `must be 0 or 1 where a program embeds the gateway, got ${workers}: several processes are run by \`tidegate serve\`, with hooks.module`;
    throw new ConfigError([{ source, key: "workers", text }]);
  }
  if (hooks !== undefined && module !== "")
    throw new ConfigError([{ source, key: "hooks.module", text: "must be empty beside hooks that are functions" }]);
}

const source = "createGateway";

const isLog = (log: unknown): log is Log =>
  typeof log === "object" && log !== null && "info" in log && typeof log.info === "function";
