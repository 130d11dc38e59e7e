/**
 * The program of the second thread, see `watch.ts`. Once a stand-still, it looks at the main thread's stack through the
 * inspector, which needs no port and stops nothing that moves; it loads the log only then.
 */
import { type Debugger, Session } from "node:inspector";
import { workerData } from "node:worker_threads";
import { hookNames } from "../metrics/guard-counters.ts";
import { beatMs, beats, hook, type WatchOptions } from "./watch.ts";

const { worker, log: options, shared } = workerData as WatchOptions;
/** Half of what the supervisor waits: the line is out before the end. */
const silentBeatsMax = 6;
const stackMs = 1000;
const framesMax = 10;

let seen = -1;
let silentBeats = 0;
setInterval(() => {
  const now = Atomics.load(shared, beats);
  silentBeats = now === seen ? silentBeats + 1 : 0;
  seen = now;
  if (silentBeats === silentBeatsMax) void tell();
}, beatMs);

async function tell(): Promise<void> {
  const running = hookNames[Atomics.load(shared, hook) - 1];
  const [stack, { createLog }] = await Promise.all([stackOfMain(), import("../log/log.ts")]);
  const where = stack ?? "not in JavaScript: a regular expression, native code or garbage collection";
  const silentMs = silentBeatsMax * beatMs;
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
