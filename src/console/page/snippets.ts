/** Code to begin with, made for this gateway's address and the channel that is asked for, to be copied. */
import { hasKey } from "./api.ts";
import { byId, setText } from "./dom.ts";
import { gatewayUrl } from "./gateway-url.ts";

export class SnippetsView {
  readonly #channel = byId("snippet-channel", HTMLInputElement);

  constructor() {
    this.#channel.addEventListener("input", () => this.#write());
    for (const name of Object.keys(snippets) as SnippetName[])
      byId(`copy-${name}`).addEventListener("click", () => void copy(name));
  }

  show(): void {
    this.#write();
  }

  hide(): void {}

  refresh(): void {}

  #write(): void {
    const typed = this.#channel.value.trim();
    const channel = /^[\w-]+(\.[\w-]+)*$/.test(typed) ? typed : "chat.room.1"; // nothing else is a channel
    for (const name of Object.keys(snippets) as SnippetName[])
      setText(byId(`snippet-${name}`), snippets[name](channel));
  }
}

type SnippetName = keyof typeof snippets;

const snippets = {
  browser: (channel: string): string => `const socket = new WebSocket("${gatewayUrl()}");
const send = (action, data) => socket.send(JSON.stringify({ action, data }));

socket.onopen = () => send("subscribe", { channel: "${channel}" });
socket.onmessage = ({ data }) => {
  const frame = JSON.parse(data);
  if (frame.action === "message") console.log(frame.sender, frame.message);
  if (frame.action === "ping") send("pong");
};
// once subscribed: send("message", { channel: "${channel}", message: "Hello everyone!" });`,

  react: (channel: string): string => `import { useEffect, useRef, useState } from "react";

export function Chat({ channel = "${channel}" }) {
  const [messages, setMessages] = useState([]);
  const socket = useRef(null);
  const send = (action, data) => socket.current.send(JSON.stringify({ action, data }));

  useEffect(() => {
    const opened = new WebSocket("${gatewayUrl()}");
    socket.current = opened;
    setMessages([]);
    opened.onopen = () => send("subscribe", { channel });
    opened.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.action === "message") setMessages((earlier) => [...earlier, frame]);
      if (frame.action === "ping") send("pong");
    };
    return () => {
      opened.onopen = opened.onmessage = null;
      opened.close();
    };
  }, [channel]);

  const submit = (event) => {
    event.preventDefault();
    send("message", { channel, message: event.target.elements.text.value });
    event.target.reset();
  };
  return (
    <form onSubmit={submit}>
      {messages.map((frame, i) => <p key={i}>{JSON.stringify(frame.message)}</p>)}
      <input name="text" /> <button>Send</button>
    </form>
  );
}`,

  curl: (channel: string): string => `curl -sS ${location.origin}/api/v1/publish \\
  -H 'Content-Type: application/json' \\${hasKey() ? '\n  -H "Authorization: Bearer $TIDEGATE_API_KEY" \\' : ""}
  -d '{"channel": "${channel}", "message": "Hello from a backend"}'`,
} as const;

async function copy(name: SnippetName): Promise<void> {
  const source = byId(`snippet-${name}`);
  const button = byId(`copy-${name}`);
  try {
    await navigator.clipboard.writeText(source.textContent ?? "");
    setText(button, "Copied");
  } catch {
    getSelection()?.selectAllChildren(source); // no clipboard where the page did not come from this machine or by TLS
    setText(button, "Selected: press Ctrl+C");
  }
  setTimeout(() => setText(button, "Copy"), 2000);
}
