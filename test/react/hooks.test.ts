import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { type ClientOptions, createClient } from "../../src/client/index.ts";
import { TidegateProvider, useChannel, useConnection, usePresence } from "../../src/react/index.ts";

function Chat(): ReturnType<typeof createElement> {
  const { messages, isSubscribed, gaps, error } = useChannel<string>("chat.x", { history: 5 });
  const { count } = usePresence("presence.x");
  const { state, isConnected } = useConnection();
  return createElement("p", null, JSON.stringify({ messages, isSubscribed, gaps, error, count, state, isConnected }));
}

describe("The hooks", () => {
  it("render on a server, where nothing connects", () => {
    const opened: string[] = [];
    class Opened {
      constructor(url: string) {
        opened.push(url);
      }
    }
    const options: ClientOptions = { WebSocket: Opened };
    const page = renderToString(createElement(TidegateProvider, { url: "ws://nowhere", options }, createElement(Chat)));
    const shown = { messages: [], isSubscribed: false, gaps: 0, count: 0, state: "idle", isConnected: false };
    assert.equal(page, `<p>${JSON.stringify(shown).replaceAll('"', "&quot;")}</p>`);
    const client = createClient("ws://nowhere", { ...options, autoConnect: false });
    assert.equal(renderToString(createElement(TidegateProvider, { client }, createElement(Chat))), page);
    assert.deepEqual(opened, []);
  });

  it("say what they need", () => {
    assert.throws(() => renderToString(createElement(Chat)), /there must be a TidegateProvider above/);
    assert.throws(() => renderToString(createElement(TidegateProvider)), /url or client must be given/);
  });
});
