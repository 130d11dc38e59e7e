/**
 * The chat page: try the gateway from two browser tabs. It uses the client as any page may, from `/tidegate.min.js`.
 *
 * The rule: what the network brings enters the document as text; and nothing is remembered here that the client knows.
 */
import { byId, element, onSubmit, setText } from "./dom.ts";
import { gatewayUrl } from "./gateway-url.ts";

/** What the script beside this one makes, as far as it is used here. */
declare const Tidegate: { createClient(url: string): Client };

interface Client {
  readonly state: "idle" | "connecting" | "connected" | "waiting" | "closed";
  readonly welcome: Welcome | undefined;
  on<Type extends keyof Events>(type: Type, listener: (event: Events[Type]) => void): void;
  connect(): void;
  subscribe(channel: string, listener: (message: Message) => void, options: { readonly history: number }): Channel;
}

interface Events {
  readonly state: Client["state"];
  readonly welcome: Welcome;
  readonly gap: object;
  readonly close: { readonly code: number; readonly reason: string; readonly willReconnect: boolean };
  readonly error: { readonly code: string; readonly message: string; readonly retryAfter?: number };
}

interface Welcome {
  readonly connection_id: number;
  readonly user_id?: string | number;
  readonly node: string;
}

interface Channel {
  readonly name: string;
  publish(text: string, options: { readonly echo: boolean }): Promise<Acknowledgement>;
  unsubscribe(): void;
}

interface Message {
  readonly sender: number;
  readonly user_id?: string | number;
  readonly message: unknown;
  readonly time: number;
}

interface Acknowledgement {
  readonly recipients_count: number;
  readonly recipients_exact?: false;
}

const linesMax = 500;
/** Attempts to connect that fail before the page says what may be the matter. */
const failuresTold = 3;

const list = byId("messages");
const delivery = byId("delivery");
const again = byId("reconnect");
const channelInput = byId("channel", HTMLInputElement);
const textInput = byId("text", HTMLInputElement);
const isChannel = (text: string): boolean => text.length <= 200 && /^[\w-]+(\.[\w-]+)*$/.test(text);

const client = Tidegate.createClient(gatewayUrl());
let room: Channel | undefined;
let failures = 0; // in a row
const ownIds = new Set<number>(); // connection ids that this tab has had, as long as the gateway knows of them

client.on("state", (state) => {
  if (state === "connecting") showStatus("waiting", "Connecting…");
  if (state === "waiting") showStatus("waiting", "Reconnecting…", true);
});
client.on("welcome", ({ connection_id: id, user_id: user, node }) => {
  failures = 0;
  ownIds.add(id);
  showStatus("open", `Connected as ${user ?? id}`);
  byId("node").title = `node ${node}`;
});
client.on("gap", () => {
  note("Some messages may be missing here.");
  ownIds.clear(); // a gateway that has lost its past may give the ids of before to others
  ownIds.add(client.welcome!.connection_id);
});
client.on("close", ({ code, reason, willReconnect }) => {
  failures += 1;
  if (!willReconnect) showStatus("closed", `Closed: ${reason || code}`, true);
  else if (failures === failuresTold) note(`Cannot connect to ${gatewayUrl()}. ${cannotConnectHint}`, "error");
});
client.on("error", ({ code, message, retryAfter }) => {
  if (code === "connection") return; // shown as the status
  note(retryAfter === undefined ? message : `${message} Again in ${retryAfter} s.`, "error");
});

const cannotConnectHint =
  "Is the gateway running? It may also require a token, or not allow this page's origin: its log tells.";

onSubmit(byId("compose"), async () => {
  const text = textInput.value.trim();
  if (room === undefined || text === "") return;
  textInput.value = "";
  textInput.focus();
  if (client.state !== "connected") setText(delivery, "Waiting for the connection");
  try {
    const { recipients_count: count, recipients_exact: isExact } = await room.publish(text, { echo: true });
    setText(
      delivery,
      `Delivered to ${count} connection${count === 1 ? "" : "s"}${isExact === false ? " on this node" : ""}`,
    );
  } catch {
    textInput.value ||= text; // why, the error tells
  }
});

// The channel stands in the address, so that a second tab or a bookmark opens the same one.

function join(name: string): void {
  if (name === room?.name) return;
  room?.unsubscribe();
  list.replaceChildren();
  setText(delivery, "");
  channelInput.value = name;
  document.title = `${name} · Tidegate chat`;
  byId("second", HTMLAnchorElement).href = `#${name}`;
  room = client.subscribe(name, showMessage, { history: 20 });
}

function joinFromAddress(): void {
  const name = location.hash.slice(1);
  join(isChannel(name) ? name : "chat.room.1");
}

onSubmit(byId("join"), () => {
  const name = channelInput.value.trim();
  channelInput.setCustomValidity(isChannel(name) ? "" : "Words of letters, digits, _ and -, joined by dots");
  if (!channelInput.reportValidity()) return;
  location.hash = name;
  textInput.focus();
});
channelInput.addEventListener("input", () => channelInput.setCustomValidity(""));
addEventListener("hashchange", joinFromAddress);
again.addEventListener("click", () => {
  client.connect();
  textInput.focus();
});
joinFromAddress();

// The document.

function showStatus(state: "waiting" | "open" | "closed", text: string, mayRetry = false): void {
  const status = byId("status");
  status.dataset.state = state;
  setText(status, text);
  again.hidden = !mayRetry;
}

function showMessage({ sender, user_id: user, message, time }: Message): void {
  const isMine = ownIds.has(sender);
  const name = sender === 0 ? "Server" : String(user ?? `Connection ${sender}`);
  const who = element("b", {}, isMine ? "You" : name);
  if (sender !== 0) who.style.setProperty("--hue", String((sender * 137) % 360));
  const at = new Date(time * 1000);
  const isToday = at.toDateString() === new Date().toDateString();
  const shownTime = at.toLocaleString([], { ...(!isToday && { dateStyle: "short" }), timeStyle: "short" });
  const header = element("header", {}, who, element("time", { attributes: { datetime: at.toISOString() } }, shownTime));
  const text =
    typeof message === "string"
      ? element("p", {}, message)
      : element("p", { class: "value" }, JSON.stringify(message, null, 1).replace(/\n */g, " "));
  append(element("li", { class: isMine ? "message mine" : "message" }, header, text));
}

function note(text: string, kind = ""): void {
  append(element("li", { class: `note ${kind}` }, text));
}

function append(item: HTMLElement): void {
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  list.append(item);
  while (list.childElementCount > linesMax) list.firstElementChild!.remove();
  if (isAtEnd) list.scrollTop = list.scrollHeight;
}
