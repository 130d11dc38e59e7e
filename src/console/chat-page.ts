/** The chat page's document: all that is there before `page/chat.ts` runs in it. */
import { escapeHtml } from "../text/escape-html.ts";
import { type Page, pageHead, waves } from "./page-parts.ts";

export function chatPage(page: Page): string {
  return `${pageHead("Tidegate chat", page)}
<body>
<header>
  <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">${waves}</svg>
  <h1><a href="/" title="The console">Tidegate</a></h1>
  <p id="status" class="status" data-state="waiting" role="status">Connecting…</p>
  <button id="reconnect" type="button" class="quiet" hidden>Reconnect now</button>
</header>
<main>
  <form id="join" class="bar">
    <label for="channel">Channel</label>
    <input id="channel" maxlength="200" autocomplete="off" autocapitalize="off" spellcheck="false" required>
    <button type="submit" class="quiet">Join</button>
    <a id="second" target="_blank" rel="noopener" href="#">Open a second tab</a>
  </form>
  <ol id="messages" role="log" aria-label="Messages" tabindex="0"></ol>
  <form id="compose" class="bar">
    <label for="text" class="unseen">Message</label>
    <input id="text" maxlength="2000" autocomplete="off" enterkeyhint="send" placeholder="Write a message" autofocus>
    <button type="submit">Send</button>
  </form>
</main>
<footer><span id="delivery"></span><a href="/">Console</a><span id="node">Tidegate ${escapeHtml(page.version)}</span></footer>
<noscript>This page needs JavaScript to connect.</noscript>
</body>
</html>
`;
}
