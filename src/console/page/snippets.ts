/**
 * Code to begin with, made for this gateway's address and the channel that is asked for, to be copied.
 *
 * The rule: each is whole. A browser test copies it and runs it as it stands.
 */
import { hasKey } from "./api.ts";
import { byId, setText } from "./dom.ts";
import { gatewayUrl } from "./gateway-url.ts";

export class SnippetsView {
  readonly #channel = byId("snippet-channel", HTMLInputElement);

  constructor() {
    this.#channel.addEventListener("input", () => this.#write());
    for (const name of names) byId(`copy-${name}`).addEventListener("click", () => void copy(name));
  }

  show(): void {
    this.#write();
  }

  hide(): void {}

  refresh(): void {}

  #write(): void {
    const typed = this.#channel.value.trim();
    const channel = /^[\w-]+(\.[\w-]+)*$/.test(typed) ? typed : "chat.room.1"; // nothing else is a channel
    for (const name of names) setText(byId(`snippet-${name}`), snippets[name](channel));
  }
}

type SnippetName = keyof typeof snippets;

const snippets = {
  page: (channel: string): string => `<!doctype html>
<meta charset="utf-8">
<ul id="messages"></ul>
<form id="form"><input id="text" autocomplete="off"> <button>Send</button></form>
<script src="${location.origin}/tidegate.min.js"></script> <!-- on your site: dist/client/tidegate.min.js -->
<script>
  const client = Tidegate.createClient("${gatewayUrl()}");
  const room = client.subscribe("${channel}", ({ message, user_id, sender }) => {
    const item = document.createElement("li");
    item.textContent = \`\${user_id ?? sender}: \${JSON.stringify(message)}\`;
    document.querySelector("#messages").append(item);
  }, { history: 20 });
  client.on("error", ({ message }) => console.warn(message));
  document.querySelector("#form").onsubmit = (event) => {
    event.preventDefault();
    room.publish(document.querySelector("#text").value);
    event.target.reset();
  };
</script>`,

  module: (channel: string): string => `import { createClient } from "tidegate/client";
// On Node 20, import WebSocket from "ws" and hand it in: createClient(url, { WebSocket }).

const client = createClient("${gatewayUrl()}");
client.on("error", ({ message }) => console.warn(message));
const room = client.subscribe("${channel}", undefined, { history: 20 });
room.publish("Hello everyone!");
for await (const { message, user_id, sender } of room) console.log(user_id ?? sender, message);`,

  react: (channel: string): string => `import { createRoot } from "react-dom/client";
import { TidegateProvider, useChannel } from "tidegate/react";

function Chat({ channel }) {
  const { messages, publish, isSubscribed } = useChannel(channel, { history: 20 });
  return (
    <form action={(form) => void publish(form.get("text"))}>
      {messages.map(({ key, user_id, sender, message }) => (
        <p key={key}>{user_id ?? sender}: {JSON.stringify(message)}</p>
      ))}
      <input name="text" required /> <button disabled={!isSubscribed}>Send</button>
    </form>
  );
}

createRoot(document.querySelector("#root")).render(
  <TidegateProvider url="${gatewayUrl()}">
    <Chat channel="${channel}" />
  </TidegateProvider>,
);`,

  curl: (channel: string): string => `curl -sS ${location.origin}/api/v1/publish \\
  -H 'Content-Type: application/json' \\${hasKey() ? '\n  -H "Authorization: Bearer $TIDEGATE_API_KEY" \\' : ""}
  -d '{"channel": "${channel}", "message": "Hello from a backend"}'`,
} as const;

const names = Object.keys(snippets) as SnippetName[];

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
