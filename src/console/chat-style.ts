/** The style of the chat page: light and dark by the reader's preference, down to 320 pixels, no motion if unwanted. */
export const chatStyle = `
:root {
  --page: #eef3f4; --surface: #ffffff; --line: #d3dfe2; --ink: #12252c; --soft: #546a72;
  --accent: #0a6c7e; --on-accent: #ffffff; --theirs: #eef3f4; --mine: #d5ecf0;
  --good: #1a7f4b; --wait: #9a6700; --bad: #b3261e;
  --who-lightness: 32%;
  color-scheme: light dark;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0c1518; --surface: #142126; --line: #29393f; --ink: #e2edef; --soft: #93a8af;
    --accent: #58c4d6; --on-accent: #06222a; --theirs: #1e2e34; --mine: #18444f;
    --good: #5fd296; --wait: #e3b341; --bad: #ff8a80;
    --who-lightness: 74%;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
body {
  margin: 0 auto; padding: 0 1rem; max-width: 46rem; height: 100vh; height: 100dvh;
  display: flex; flex-direction: column; background: var(--page); color: var(--ink);
}
header { display: flex; align-items: center; flex-wrap: wrap; gap: .3rem .6rem; padding: .6rem .15rem; }
body > header { min-height: 3.6rem; }
.logo { width: 1.9rem; height: 1.9rem; fill: none; stroke: var(--accent); stroke-width: 2.6; stroke-linecap: round; }
h1 a { color: inherit; text-decoration: none; }
h1 { margin: 0 auto 0 0; font-size: 1.2rem; font-weight: 650; letter-spacing: -.01em; }
.status { margin: 0; color: var(--soft); font-size: .9rem; display: flex; align-items: center; gap: .45rem; }
.status::before { content: ""; flex: none; width: .6rem; height: .6rem; border-radius: 50%; background: var(--wait); }
.status[data-state="open"]::before { background: var(--good); }
.status[data-state="closed"]::before { background: var(--bad); }
main {
  flex: 1; min-height: 0; display: flex; flex-direction: column; overflow: hidden;
  background: var(--surface); border: 1px solid var(--line); border-radius: .9rem;
}
.bar { display: flex; align-items: center; gap: .6rem; padding: .65rem .8rem; }
#join { border-bottom: 1px solid var(--line); font-size: .9rem; }
#join label { color: var(--soft); }
#compose { border-top: 1px solid var(--line); }
input {
  flex: 1; min-width: 0; padding: .5rem .75rem; font: inherit; color: inherit;
  background: var(--page); border: 1px solid var(--line); border-radius: .6rem;
}
#channel { padding-block: .3rem; font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; }
button {
  padding: .5rem 1.1rem; font: inherit; font-weight: 600; cursor: pointer;
  color: var(--on-accent); background: var(--accent); border: 1px solid var(--accent); border-radius: .6rem;
}
button.quiet {
  padding: .3rem .8rem; font-size: .9rem; color: var(--accent); background: none; border-color: var(--line);
}
button:hover { filter: brightness(1.08); }
button.quiet:hover { border-color: var(--accent); }
a { color: var(--accent); text-underline-offset: .2em; white-space: nowrap; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
#messages {
  flex: 1; min-height: 0; margin: 0; padding: 1rem .8rem; list-style: none; overflow-y: auto;
  display: flex; flex-direction: column; gap: .55rem; outline-offset: -3px; overflow-wrap: anywhere;
}
#messages:empty::before {
  content: "No messages yet. Open a second tab, and say hello from both.";
  margin: auto; padding: 0 1rem; color: var(--soft); text-align: center; text-wrap: balance;
}
.message {
  max-width: min(85%, 34rem); align-self: flex-start; padding: .45rem .8rem .55rem;
  background: var(--theirs); border-radius: .25rem .9rem .9rem .9rem;
}
.message.mine { align-self: flex-end; background: var(--mine); border-radius: .9rem .25rem .9rem .9rem; }
.message header {
  align-items: baseline; flex-wrap: nowrap; gap: .6rem; padding: 0; font-size: .8rem; color: var(--soft);
}
.message b { font-weight: 650; color: hsl(var(--hue, 190) 55% var(--who-lightness)); }
.message.mine b { color: inherit; }
.message time { margin-left: auto; font-variant-numeric: tabular-nums; white-space: nowrap; }
.message p { margin: 0; white-space: pre-wrap; }
.message .value { font: .85rem/1.5 ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; }
.note { align-self: center; padding: 0 1rem; font-size: .85rem; color: var(--soft); text-align: center; }
.note.error { color: var(--bad); }
footer {
  display: flex; justify-content: space-between; flex-wrap: wrap; gap: 0 1rem; min-height: 2.3rem;
  padding: .45rem .2rem .6rem; font-size: .8rem; color: var(--soft);
}
@media (max-width: 34rem) {
  body { padding: 0; }
  header { padding-inline: .8rem; }
  main { border-width: 1px 0; border-radius: 0; }
  #join { flex-wrap: wrap; }
  #join a { flex-basis: 100%; }
  footer { padding-inline: .8rem; }
}
@media (prefers-reduced-motion: no-preference) {
  .message { animation: rise .16s ease-out; }
  @keyframes rise { from { opacity: 0; transform: translateY(.3rem); } }
}
`;
