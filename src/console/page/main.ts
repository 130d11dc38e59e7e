/**
 * The console: which view is shown, the question for the API key, and the one beat that keeps everything fresh.
 *
 * The rule: the view stands in the address (`#/channels/chat.room.1`), so that back, bookmarks and a second tab work, and
 * every step of it is a link.
 */
import { ApiError, call, forgetKey, hasKey, onKeyNeeded, setKey } from "./api.ts";
import { ChannelsView } from "./channels.ts";
import { ConnectionsView } from "./connections.ts";
import { byId, onSubmit, setNote, setText } from "./dom.ts";
import { Overview } from "./overview.ts";
import { PlaygroundView } from "./playground.ts";
import { SnippetsView } from "./snippets.ts";
import type { Stats } from "./stats-history.ts";

interface View {
  /** `argument`: what stands behind its name in the address. */
  show(argument: string | undefined): void;
  hide(): void;
  /** Every few seconds while it is shown. */
  refresh?(): void;
}

const beatMs = 1000;
/** Lists cost the gateway a look at every connection: they are asked for less often, and where there are very many only on demand. */
const beatsPerRefresh = 3;
const refreshedConnectionsMax = 10_000;

const overview = new Overview();
const views: Readonly<Record<string, View>> = {
  overview,
  channels: new ChannelsView(),
  connections: new ConnectionsView(),
  playground: new PlaygroundView(),
  code: new SnippetsView(),
};
let current = "";

function route(): void {
  const [name = "", argument] = location.hash.replace(/^#\/?/, "").split("/");
  const wanted = Object.hasOwn(views, name) ? name : "overview";
  const isFirst = current === "";
  if (!isFirst && !location.hash.startsWith("#/")) return; // a place within the page: its main part
  if (wanted !== current) views[current]?.hide();
  current = wanted;
  for (const view of Object.keys(views)) byId(`view-${view}`).hidden = view !== wanted;
  for (const link of byId("nav").querySelectorAll("a[data-view]")) {
    if (link.getAttribute("data-view") === wanted) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  views[wanted]!.show(decoded(argument));
  const heading = [...byId(`view-${wanted}`).querySelectorAll<HTMLElement>("h1")].find(
    (one) => one.offsetParent !== null,
  );
  document.title = `${heading?.textContent ?? ""} · Tidegate`;
  if (!isFirst) heading?.focus(); // whoever cannot see the change hears it
}

/** `undefined` for nothing, and for what is not well formed. */
function decoded(argument: string | undefined): string | undefined {
  try {
    return argument ? decodeURIComponent(argument) : undefined;
  } catch {
    return undefined;
  }
}

// The beat.

let beats = 0;
let waitBeats = 0; // so many beats are left out, because the gateway said so

async function beat(): Promise<void> {
  const startedMs = performance.now();
  if (waitBeats > 0) waitBeats -= 1;
  else if (!keyDialog.open) await look();
  setTimeout(beat, Math.max(100, beatMs - (performance.now() - startedMs)));
}

async function look(): Promise<void> {
  beats += 1;
  try {
    const stats = await call<Stats>("stats");
    overview.add(stats);
    const connections = stats.processes.reduce((sum, process) => sum + process.connections, 0);
    if (stats.ready) tell("good", stats.isPartial ? "Ready; a process does not answer" : "Ready");
    else tell("bad", `Not ready: ${stats.reason}`);
    if (beats % beatsPerRefresh === 0 && connections <= refreshedConnectionsMax) views[current]?.refresh?.();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    waitBeats = error.retryAfter;
    tell(error.status === 401 ? "wait" : "bad", error.status === 401 ? "An API key is needed" : error.message);
  }
}

function tell(state: "good" | "wait" | "bad", text: string): void {
  const status = byId("status");
  status.dataset.state = state;
  setText(status, text);
}

// The API key.

const keyDialog = byId("key-dialog", HTMLDialogElement);
const keyInput = byId("key", HTMLInputElement);

onKeyNeeded((wasKeyed) => {
  if (wasKeyed) setNote(byId("key-fault"), "The gateway does not know this key.");
  forgetKey();
  byId("forget-key").hidden = true;
  if (!keyDialog.open) keyDialog.showModal();
});

onSubmit(byId("key-form"), async () => {
  if (!/^[\x21-\x7e]+$/.test(keyInput.value.trim()))
    return setNote(byId("key-fault"), "A key has letters, digits and signs, and no spaces.");
  setKey(keyInput.value.trim());
  keyInput.value = "";
  keyDialog.close();
  byId("forget-key").hidden = false;
  await look();
  if (hasKey()) route(); // what the view asked for without the key it asks for again
});

byId("forget-key").hidden = !hasKey();
byId("forget-key").addEventListener("click", () => {
  forgetKey();
  location.reload();
});
keyDialog.addEventListener("cancel", (event) => event.preventDefault());

addEventListener("hashchange", route);
route();
void beat();
