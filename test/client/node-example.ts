import WebSocket from "ws"; // on Node 20; later ones, Deno and Bun have a WebSocket of their own
import { createClient } from "../../src/client/index.ts";

interface ChatMessage {
  readonly text: string;
}

const client = createClient<{ "chat.*": ChatMessage }>(process.env.GATEWAY ?? "ws://localhost:9501", {
  WebSocket,
  token: async () => process.env.TOKEN, // asked again when it ends
});
const room = client.subscribe("chat.bots", undefined, { history: 10 });
room.on("gap", () => console.log("messages may be missing here"));
room.publish({ text: "Hello everyone!" }).catch(({ code, message }) => console.error(code, message));
for await (const { message, user_id, sender } of room) {
  console.log(`${user_id ?? sender}: ${message?.text}`); // others may send any JSON
  if (message?.text === "enough") break;
}
client.disconnect();
