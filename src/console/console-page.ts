/**
 * The console's document: all that is there before a script runs.
 *
 * The rule: it holds nothing of the gateway but its version and its public port; whatever needs an API key comes through
 * the server API.
 */

import { escapeHtml } from "../text/escape-html.ts";
import { channels, code, connections, overview, playground } from "./console-views.ts";
import { type Page, pageHead, waves } from "./page-parts.ts";

export function consolePage(page: Page): string {
  return `${pageHead("Tidegate", page)}
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
  <a class="brand" href="#/overview"><svg class="logo" viewBox="0 0 32 32" aria-hidden="true">${waves}</svg>Tidegate</a>
  <nav id="nav" aria-label="Views">
    <a data-view="overview" href="#/overview">Overview</a>
    <a data-view="channels" href="#/channels">Channels</a>
    <a data-view="connections" href="#/connections">Connections</a>
    <a data-view="playground" href="#/playground">Playground</a>
    <a data-view="code" href="#/code">Code</a>
    <a href="/chat">Chat</a>
  </nav>
  <p id="status" class="status" data-state="wait" role="status">Connecting…</p>
</header>
<main id="main" tabindex="-1">
${overview}
${channels}
${connections}
${playground}
${code}
</main>
<footer>
  <span>Tidegate ${escapeHtml(page.version)}</span>
  <span><a href="/api">Server API</a> · <a href="/metrics">Metrics</a> · <a href="/console/uplot-license.txt">Charts by uPlot</a></span>
  <button id="forget-key" type="button" class="quiet" hidden>Forget the API key</button>
</footer>
<dialog id="key-dialog" aria-labelledby="key-title">
  <form id="key-form">
    <h2 id="key-title">API key</h2>
    <p>This gateway has <code>api.keys</code>. The key stays in this tab and is forgotten with it.</p>
    <label for="key">API key</label>
    <input id="key" type="password" autocomplete="off" required>
    <p id="key-fault" class="fault" role="alert" hidden></p>
    <p class="buttons"><button type="submit">Go on</button></p>
  </form>
</dialog>
<noscript>This page needs JavaScript.</noscript>
</body>
</html>
`;
}
