/**
 * The chat page: try the gateway from two browser tabs. One document with nothing to fetch; its style and its script
 * are constants, so the content security policy names their hashes and nothing else ever runs in it.
 */
import { createHash } from "node:crypto";
import { chatScript } from "./chat-script.ts";
import { chatStyle } from "./chat-style.ts";
import { escapeHtml, gatewaySources, icon, waves } from "./page-parts.ts";

export interface ChatPageOptions {
  /** The port that clients connect to, on the host that the page came from. */
  readonly publicPort: number;
  /** That port speaks TLS. */
  readonly tls: boolean;
  readonly version: string;
}

/** The document. What varies stands in `data-` attributes; the script reads it there. */
export function chatPage({ publicPort, tls, version }: ChatPageOptions): string {
  return `<!doctype html>
<html lang="en" data-public-port="${publicPort}" data-tls="${tls}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Tidegate chat</title>
<link rel="icon" href="${icon}">
<style>${chatStyle}</style>
</head>
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
<footer><span id="delivery"></span><a href="/">Console</a><span id="node">Tidegate ${escapeHtml(version)}</span></footer>
<noscript>This page needs JavaScript to connect.</noscript>
<script>${chatScript}</script>
</body>
</html>
`;
}

/**
 * The `Content-Security-Policy` of the page: it may connect to the gateway and do nothing else. `host` is the name in
 * the page's own URL.
 */
export function chatPagePolicy(host: string, publicPort: number): string {
  return [
    "default-src 'none'",
    `script-src '${hash(chatScript)}'`,
    `style-src '${hash(chatStyle)}'`,
    `connect-src ${gatewaySources(host, publicPort)}`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

const hash = (text: string): string => `sha256-${createHash("sha256").update(text).digest("base64")}`;
