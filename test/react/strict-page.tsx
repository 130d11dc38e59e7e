/** The example's chat in strict mode, beside the other hooks, as a page of the browser tests; `unmount` takes it away. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import type { ClientOptions } from "../../src/client/index.ts";
import { TidegateProvider, useChannel, useConnection, usePresence } from "../../src/react/index.ts";
import { Chat } from "./chat-example.tsx";

function Lobby() {
  const { count } = usePresence("presence.lobby");
  const { members } = useChannel("presence.lobby", { presence: true, keep: 0 });
  const { state } = useConnection();
  const names = members.map(({ user_id, connection_id }) => user_id ?? connection_id);
  return <p>{`${state}, ${count} here: ${names.join(", ")}`}</p>;
}

declare const document: { querySelector(selector: string): Element };

function start(url: string, options: ClientOptions): void {
  const root = createRoot(document.querySelector("#root"));
  root.render(
    <StrictMode>
      <TidegateProvider url={url} options={options}>
        <Lobby />
        <Chat channel="chat.room.1" />
      </TidegateProvider>
    </StrictMode>,
  );
  Object.assign(globalThis, { unmount: () => root.unmount() });
}

Object.assign(globalThis, { start });
