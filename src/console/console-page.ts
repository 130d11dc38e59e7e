/**
 * The console's document: all that is there before a script runs. What varies stands in `data-` attributes.
 *
 * The rule: it holds nothing of the gateway but its version and its public port; whatever needs an API key comes through
 * the server API.
 */
import { channels, code, connections, overview, playground } from "./console-views.ts";
import { escapeHtml, icon, waves } from "./page-parts.ts";

export interface ConsolePageOptions {
  /** The port that clients connect to, on the host that the page came from. */
  readonly publicPort: number;
  /** That port speaks TLS. */
  readonly tls: boolean;
  readonly version: string;
  /** Paths of what the page loads. */
  readonly styles: readonly string[];
  readonly scripts: readonly string[];
  readonly modules: readonly string[];
  readonly main: string;
}

export function consolePage(options: ConsolePageOptions): string {
  const { publicPort, tls, version, styles, scripts, modules, main } = options;
  return `<!doctype html>
<html lang="en" data-public-port="${publicPort}" data-tls="${tls}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Tidegate</title>
<link rel="icon" href="${icon}">
${styles.map((path) => `<link rel="stylesheet" href="${path}">`).join("\n")}
${modules.map((path) => `<link rel="modulepreload" href="${path}">`).join("\n")}
${scripts.map((path) => `<script src="${path}" defer></script>`).join("\n")}
<script type="module" src="${main}"></script>
</head>
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
  <span>Tidegate ${escapeHtml(version)}</span>
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
