/**
 * A client of the wire protocol in the hands of whoever sits here: a plain WebSocket, and every frame as it went over the
 * wire.
 *
 * The rule: nothing happens behind the user's back but the answer to a ping, and that is shown, too.
 */
import { ApiError, call } from "./api.ts";
import { byId, element, onSubmit, setNote, setText } from "./dom.ts";
import { clockTime } from "./format.ts";
import { gatewayUrl } from "./gateway-url.ts";

const framesMax = 500;
/** Of one frame; the rest is cut off, for a page with megabytes in one line is of no use. */
const shownMax = 20_000;

export class PlaygroundView {
  readonly #token = byId("token", HTMLTextAreaElement);
  readonly #channel = byId("playground-channel", HTMLInputElement);
  readonly #message = byId("playground-message", HTMLInputElement);
  readonly #raw = byId("raw", HTMLTextAreaElement);
  readonly #frames = byId("frames");
  readonly #status = byId("playground-status");
  readonly #fault = byId("playground-fault");
  #socket: WebSocket | undefined; // the one whose events count
  #requests = 0;

  constructor() {
    setText(byId("playground-url"), gatewayUrl());
    onSubmit(byId("connect-form"), () => (this.#socket === undefined ? this.#connect() : this.#socket.close(1000)));
    onSubmit(byId("token-form"), () => this.#issueToken());
    onSubmit(byId("subscribe-form"), () => this.#request("subscribe", { channel: this.#channel.value.trim() }));
    byId("unsubscribe").addEventListener("click", () =>
      this.#request("unsubscribe", { channel: this.#channel.value.trim() }),
    );
    onSubmit(byId("publish-form"), () => {
      this.#request("message", { channel: this.#channel.value.trim(), message: jsonOrText(this.#message.value) });
      this.#message.select();
    });
    onSubmit(byId("raw-form"), () => this.#send(this.#raw.value));
    byId("clear").addEventListener("click", () => this.#frames.replaceChildren());
    this.#show("closed");
  }

  show(channel: string | undefined): void {
    if (channel !== undefined) this.#channel.value = channel;
  }

  hide(): void {}

  refresh(): void {}

  #connect(): void {
    const token = this.#token.value.trim();
    setNote(this.#fault, "");
    let socket: WebSocket;
    try {
      // A browser cannot set headers here, and in the URL the token would be logged on the way.
      const protocols = ["tidegate.json.v1", ...(token === "" ? [] : ["bearer", token])];
      socket = new WebSocket(gatewayUrl(), protocols);
    } catch {
      return setNote(this.#fault, "The token must be the text of a JSON Web Token: letters, digits, - _ and dots.");
    }
    this.#socket = socket;
    this.#show("connecting");
    socket.addEventListener("open", () => this.#show("open"));
    socket.addEventListener("message", ({ data }: MessageEvent<string>) => this.#receive(data));
    socket.addEventListener("close", ({ code, reason }) => {
      this.#socket = undefined;
      this.#show("closed");
      this.#note(`closed with ${code}${reason === "" ? "" : `: ${reason}`}`);
      if (code === 1006) setNote(this.#fault, refusedHint);
    });
  }

  #receive(text: string): void {
    this.#note(text, "in");
    if (isPing(text)) this.#send('{"action":"pong"}');
  }

  #request(action: string, data: object): void {
    this.#requests += 1;
    this.#send(JSON.stringify({ action, id: this.#requests, data }));
  }

  #send(text: string): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return setNote(this.#fault, "Connect first.");
    setNote(this.#fault, "");
    this.#socket.send(text);
    this.#note(text, "out");
  }

  async #issueToken(): Promise<void> {
    const user = byId("token-user", HTMLInputElement).value.trim();
    const role = byId("token-role", HTMLInputElement).value.trim();
    const note = byId("token-fault");
    try {
      const wanted = { user, ...(role !== "" && { role }), ttlSeconds: 3600 };
      const { token } = await call<{ token: string }>("token", wanted);
      this.#token.value = token;
      setNote(note, "It is in the field above, good for an hour.");
    } catch (error) {
      if (error instanceof ApiError) setNote(note, error.message);
    }
  }

  #show(state: "closed" | "connecting" | "open"): void {
    const texts = { closed: "Not connected", connecting: "Connecting…", open: "Connected" };
    setText(this.#status, texts[state]);
    this.#status.dataset.state = { closed: "off", connecting: "wait", open: "good" }[state];
    setText(byId("connect"), state === "closed" ? "Connect" : "Disconnect");
    this.#token.readOnly = state !== "closed";
  }

  /** A frame as it came or went, or without a direction a remark. */
  #note(text: string, direction?: "in" | "out"): void {
    const arrow = direction === undefined ? "" : { in: "↓", out: "↑" }[direction];
    const label = direction === undefined ? "" : { in: "received", out: "sent" }[direction];
    const shown = text.length > shownMax ? `${text.slice(0, shownMax)}… (${text.length} characters)` : text;
    const isAtEnd = this.#frames.scrollHeight - this.#frames.scrollTop - this.#frames.clientHeight < 40;
    this.#frames.append(
      element(
        "li",
        { class: direction ?? "remark" },
        element("span", { class: "arrow", attributes: { "aria-hidden": "true" } }, arrow),
        element("span", { class: "unseen" }, label),
        element("time", {}, clockTime(new Date())),
        element("code", {}, shown),
      ),
    );
    while (this.#frames.childElementCount > framesMax) this.#frames.firstElementChild!.remove();
    if (isAtEnd) this.#frames.scrollTop = this.#frames.scrollHeight;
  }
}

const refusedHint =
  "The connection was refused or lost without a close frame. A refused handshake has its reason in the gateway's log and in the browser's network panel: no valid token, a limit, or an origin that is not allowed.";

/** What is written is JSON where it can be; else it is a text. */
function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function isPing(text: string): boolean {
  try {
    return (JSON.parse(text) as { readonly action?: unknown }).action === "ping";
  } catch {
    return false;
  }
}
