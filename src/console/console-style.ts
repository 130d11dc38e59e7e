/** The style of the console: light and dark by the reader's preference, from 320 pixels up, no motion if unwanted. */
export const consoleStyle = `
:root {
  --page: #eef3f4; --surface: #ffffff; --line: #d9e3e6; --ink: #12252c; --soft: #546a72;
  --accent: #0a6c7e; --on-accent: #ffffff; --good: #1a7f4b; --wait: #9a6700; --bad: #b3261e;
  --series-1: #0a7f94; --series-2: #c2570c; --series-3: #7a3fb8;
  color-scheme: light dark;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  --mono: ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0c1518; --surface: #142126; --line: #253439; --ink: #e2edef; --soft: #93a8af;
    --accent: #58c4d6; --on-accent: #06222a; --good: #5fd296; --wait: #e3b341; --bad: #ff8a80;
    --series-1: #58c4d6; --series-2: #f2a35e; --series-3: #c39af0;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
body { margin: 0 auto; padding: 0 1rem; max-width: 78rem; background: var(--page); color: var(--ink); }
body > header { display: flex; align-items: center; flex-wrap: wrap; gap: .4rem 1.2rem; padding: .8rem 0; }
.brand { display: flex; align-items: center; gap: .5rem; color: inherit; font-size: 1.15rem; font-weight: 650; text-decoration: none; }
.logo { width: 1.9rem; height: 1.9rem; fill: none; stroke: var(--accent); stroke-width: 2.6; stroke-linecap: round; }
nav { display: flex; flex-wrap: wrap; gap: .1rem; }
nav a { padding: .3rem .7rem; border-radius: .6rem; color: var(--soft); text-decoration: none; }
nav a:hover { color: var(--ink); background: var(--surface); }
nav a[aria-current] { color: var(--accent); background: var(--surface); font-weight: 600; }
.skip { position: absolute; left: -99rem; padding: .5rem 1rem; background: var(--surface); }
.skip:focus { left: 1rem; top: .5rem; z-index: 1; }
.status { margin: 0; color: var(--soft); font-size: .9rem; display: flex; align-items: center; gap: .45rem; overflow-wrap: anywhere; }
.status::before { content: ""; flex: none; width: .6rem; height: .6rem; border-radius: 50%; background: var(--wait); }
.status[data-state="good"]::before { background: var(--good); }
.status[data-state="bad"]::before { background: var(--bad); }
.status[data-state="off"]::before { background: var(--soft); }
header .status { margin-left: auto; }
main:focus, h1:focus { outline: none; }
h1 { margin: 0 auto 0 0; font-size: 1.35rem; font-weight: 650; letter-spacing: -.01em; overflow-wrap: anywhere; }
h1.name { font-family: var(--mono); font-size: 1.15rem; }
h2 { margin: 0; font-size: .95rem; font-weight: 600; }
.bar { display: flex; align-items: center; flex-wrap: wrap; gap: .5rem .8rem; margin: .4rem 0 .9rem; }
.card .bar { margin: 0 0 .5rem; }
.bar h2 { margin-right: auto; }
.bar label { color: var(--soft); font-size: .9rem; display: flex; align-items: center; gap: .4rem; min-width: 0; }
.bar form { display: flex; gap: .5rem; flex: 0 1 26rem; min-width: 0; }
.card { padding: .9rem 1rem; margin: 0 0 .9rem; background: var(--surface); border: 1px solid var(--line); border-radius: .9rem; min-width: 0; }
.card > h2 { margin-bottom: .4rem; }
#charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: .9rem; margin-bottom: .9rem; }
#charts .card { margin: 0; }
.chart h2 { display: flex; justify-content: space-between; gap: 1rem; }
.chart .at { color: var(--soft); font-weight: 400; font-variant-numeric: tabular-nums; }
.legend { display: flex; flex-wrap: wrap; gap: 0 1.2rem; margin: 0 0 .4rem; padding: 0; list-style: none; color: var(--soft); font-size: .85rem; }
.legend li { display: flex; align-items: baseline; gap: .4rem; min-width: 5.5rem; }
.legend li::before { content: ""; align-self: center; width: .9rem; height: .2rem; border-radius: .1rem; background: var(--series-1); }
.legend .series-2::before { background: var(--series-2); }
.legend .series-3::before { background: var(--series-3); }
.legend b { color: var(--ink); font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.plot { height: 170px; margin-bottom: -.4rem; overflow: hidden; }
.start { display: flex; align-items: center; flex-wrap: wrap; gap: .6rem 1.2rem; }
.start p { flex: 1 1 20rem; margin: 0; }
.fields { display: flex; flex-wrap: wrap; gap: .6rem 2rem; margin: 0; }
.fields dt { color: var(--soft); font-size: .8rem; }
.fields dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th { font-weight: 500; text-align: left; }
thead th { color: var(--soft); font-size: .8rem; }
th, td { padding: .4rem .6rem .4rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
tbody tr:last-child > * { border-bottom: 0; }
.number { text-align: right; overflow-wrap: normal; }
.number + :not(.number) { padding-left: 1.4rem; }
.note { margin: .3rem 0; color: var(--soft); font-size: .9rem; }
.fault { margin: .4rem 0; color: var(--bad); font-size: .9rem; }
.chips { display: flex; flex-wrap: wrap; gap: .4rem; margin: 0; padding: 0; list-style: none; }
.chips a { display: block; padding: .1rem .7rem; border: 1px solid var(--line); border-radius: 1rem; font: .85rem/1.7 var(--mono); overflow-wrap: anywhere; }
.raw { margin: 0; padding: 0; list-style: none; font: .8rem/1.5 var(--mono); overflow-wrap: anywhere; }
.raw li { padding: .25rem 0; border-bottom: 1px solid var(--line); }
.raw li:last-child { border-bottom: 0; }
.columns { display: grid; grid-template-columns: minmax(0, 22rem) minmax(0, 1fr); gap: .9rem; }
.frames { display: flex; flex-direction: column; min-height: 24rem; }
#frames { position: relative; flex: 1 1 0; min-height: 18rem; max-height: 70vh; overflow-y: auto; }
#frames:empty::before { content: "Every frame as it goes over the wire will be here."; color: var(--soft); font-family: system-ui, sans-serif; }
#frames li { display: grid; grid-template-columns: 1rem auto minmax(0, 1fr); gap: .6rem; }
#frames time { color: var(--soft); }
#frames .in .arrow { color: var(--series-1); }
#frames .out .arrow { color: var(--series-2); }
#frames .remark code { color: var(--soft); }
code, pre { font-family: var(--mono); font-size: .85em; }
#frames code { font-size: inherit; white-space: pre-wrap; }
pre { margin: 0; padding: .8rem 1rem; overflow-x: auto; background: var(--page); border-radius: .6rem; font-size: .82rem; line-height: 1.55; }
pre code { font-size: inherit; }
form > label, dialog label { display: block; margin: .5rem 0 .2rem; color: var(--soft); font-size: .9rem; }
form > label:first-child { margin-top: 0; }
input, textarea, select {
  padding: .4rem .7rem; font: inherit; font-size: .95rem; color: inherit; min-width: 0; max-width: 100%;
  background: var(--page); border: 1px solid var(--line); border-radius: .6rem;
}
form > input, form > textarea, form > select { width: 100%; }
.bar form > input { flex: 1; width: auto; }
textarea { resize: vertical; font-family: var(--mono); font-size: .82rem; display: block; }
::placeholder { color: var(--soft); opacity: 1; }
summary { cursor: pointer; font-size: .95rem; font-weight: 600; }
details[open] > summary { margin-bottom: .6rem; }
.buttons { display: flex; flex-wrap: wrap; justify-content: flex-end; gap: .5rem; margin: .7rem 0 0; }
.card form + form { margin-top: .9rem; padding-top: .9rem; border-top: 1px solid var(--line); }
button, .button {
  padding: .4rem 1.1rem; font: inherit; font-size: .95rem; font-weight: 600; cursor: pointer; text-decoration: none;
  color: var(--on-accent); background: var(--accent); border: 1px solid var(--accent); border-radius: .6rem;
}
.quiet { color: var(--accent); background: none; border-color: var(--line); }
.danger { color: var(--surface); background: var(--bad); border-color: var(--bad); }
button:hover, .button:hover { filter: brightness(1.08); }
.quiet:hover { border-color: var(--accent); }
a { color: var(--accent); text-underline-offset: .2em; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
dialog { width: min(26rem, calc(100vw - 2rem)); padding: 1.2rem; color: var(--ink); background: var(--surface); border: 1px solid var(--line); border-radius: .9rem; }
dialog::backdrop { background: #0008; }
footer { display: flex; align-items: center; justify-content: space-between; flex-wrap: wrap; gap: .4rem 1rem; padding: .4rem 0 1.2rem; color: var(--soft); font-size: .85rem; }
footer button { padding: .2rem .7rem; font-size: .85rem; }
@media (max-width: 48rem) {
  .columns { grid-template-columns: minmax(0, 1fr); gap: 0; }
  thead { display: none; }
  table, tbody { display: block; }
  tr { display: grid; grid-template-columns: 1fr 1fr; gap: .1rem 1rem; padding: .6rem 0; border-bottom: 1px solid var(--line); }
  tbody tr:last-child { border-bottom: 0; }
  tbody th, tbody td, tbody .number { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .6rem; padding: 0 !important; border: 0; }
  tbody th { grid-column: 1 / -1; }
  td::before { content: attr(data-label); color: var(--soft); }
}
@media (max-width: 34rem) {
  body { padding: 0 .7rem; }
  body > header { gap: .5rem; }
  nav { order: 3; flex-basis: 100%; display: grid; grid-template-columns: repeat(3, 1fr); }
  nav a { padding: .3rem .2rem; text-align: center; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  #frames code { grid-column: 1 / -1; }
  .bar form { flex-basis: 100%; }
  .card { padding: .8rem; }
}
@media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none !important; } }
`;
