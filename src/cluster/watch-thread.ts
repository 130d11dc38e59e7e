/**
 * The program of the second thread, see `watch.ts`. Once a stand-still, it looks at the main thread's stack through the
 * inspector, which needs no port and stops nothing that moves. It loads the log only where there is something to say.
 */
import { type Debugger, Session } from "node:inspector";
import { workerData } from "node:worker_threads";
import { hookNames } from "../metrics/guard-counters.ts";
import { beatMs, beats, hook, type WatchOptions } from "./watch.ts";

const { worker, log: options, shared } = workerData as WatchOptions;
/** Two seconds; with the time for a look at the stack the line is out before the supervisor ends the worker. */
const silentBeatsMax = 4;
const stackMs = 2000;
const framesMax = 10;

const loadLog = () => import("../log/log.ts");

let seen = -1;
let silentBeats = 0;
setInterval(() => {
  const now = Atomics.load(shared, beats);
  silentBeats = now === seen ? silentBeats + 1 : 0;
  seen = now;
  if (silentBeats === silentBeatsMax / 2) void loadLog(); // so that it is there by then
  if (silentBeats === silentBeatsMax) void tell();
}, beatMs);

async function tell(): Promise<void> {
  const running = hookNames[Atomics.load(shared, hook) - 1];
  const where = (await stackOfMain()) ?? "not in JavaScript: a regular expression, native code or garbage collection";
  const silentMs = silentBeatsMax * beatMs;
  const { createLog } = await loadLog();
  createLog(options).error({ worker, hook: running, silentMs, where }, "the event loop stands still");
}

/** The innermost calls first; `undefined` where the thread does not come to a place where it can be looked at. */
async function stackOfMain(): Promise<readonly string[] | undefined> {
  const session = new Session();
  const urls = new Map<string, string>();
  const frameText = ({ functionName, location: { scriptId, lineNumber, columnNumber = 0 } }: Debugger.CallFrame) =>
    `${functionName || "(anonymous)"} (${urls.get(scriptId)}:${lineNumber + 1}:${columnNumber + 1})`;
  session.connectToMainThread();
  try {
    return await new Promise((resolve) => {
      setTimeout(resolve, stackMs, undefined);
      session.on("Debugger.scriptParsed", ({ params: { scriptId, url } }) => urls.set(scriptId, url));
      session.once("Debugger.paused", ({ params }) => resolve(params.callFrames.slice(0, framesMax).map(frameText)));
      session.post("Debugger.enable");
      session.post("Debugger.pause");
    });
  } finally {
    session.disconnect(); // which resumes it
  }
}
