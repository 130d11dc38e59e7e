/**
 * The script of the chat page: a small client of the wire protocol in plain JavaScript, without the SDK, so that the
 * page shows what a client has to do. Text from the network enters the document through `textContent` alone.
 */
export const chatScript = String.raw`
"use strict";
const byId = (id) => document.getElementById(id);
const [statusLine, list, channelInput] = ["status", "messages", "channel"].map(byId);
const [textInput, delivery, again] = ["text", "delivery", "reconnect"].map(byId);
const { publicPort, tls } = document.documentElement.dataset;
const scheme = tls === "true" || location.protocol === "https:" ? "wss" : "ws";
const address = scheme + "://" + location.hostname + ":" + publicPort + "/";
const isChannel = (text) => text.length <= 200 && /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(text);
const finalReasons = {
  4500: "invalid token",
  4503: "disconnected by an operator",
  4504: "too many connections",
  4508: "too many messages",
};
const tab = crypto.getRandomValues(new Uint32Array(2)).join("-"); // makes the keys of this tab's messages unique

let channel = "";
let socket; // the only socket whose events count
let isWelcome = false; // frames may be sent
let position; // { offset, epoch } of the last message seen, on channels with history
let retryInMs; // told by the server before it closes
let attempts = 0; // failed ones since the last welcome
let retryTimer, silenceTimer, resendTimer;
let lastId = 0;
let ownIds = new Set(); // connection ids that this tab has had, as long as the gateway knows of them
let ownId;
const seen = new Set(); // offsets shown
const outbox = new Map(); // id -> data of messages not yet acknowledged

// Connection: welcome, then subscribe; after a loss wait, longer each time, and ask for what was missed.

function connect() {
  clearTimeout(retryTimer);
  retryTimer = undefined;
  forgetSocket();
  showStatus("waiting", "Connecting…");
  const opened = new WebSocket(address);
  socket = opened;
  opened.onmessage = (event) => { if (opened === socket) receive(JSON.parse(event.data)); };
  opened.onclose = (event) => { if (opened === socket) lost(event.code); };
}

function lost(code) {
  forgetSocket();
  if (code >= 4500) return showStatus("closed", "Closed: " + (finalReasons[code] ?? code), true);
  attempts += 1;
  if (attempts === 3) note("Cannot connect to " + address + ". " + cannotConnectHint, true);
  const backoffMs = Math.min(15000, 500 * 2 ** (attempts - 1)) * (0.5 + Math.random() / 2);
  const waitMs = retryInMs ?? backoffMs;
  retryInMs = undefined;
  retryTimer = setTimeout(connect, waitMs);
  showStatus("waiting", "Reconnecting in " + Math.max(1, Math.round(waitMs / 1000)) + " s", true);
}

const cannotConnectHint =
  "Is the gateway running? It may also require a token, or not allow this page's origin: its log tells.";

function forgetSocket() {
  clearTimeout(silenceTimer);
  clearTimeout(resendTimer);
  isWelcome = false;
  const old = socket;
  socket = undefined;
  old?.close();
}

function send(frame) {
  if (isWelcome && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
}

function subscribe() {
  const options = { history: 20, since: position }; // without a position, or where it is too old, the latest 20
  send({ action: "subscribe", id: "s" + ++lastId, data: { channel, options } });
}

// Frames from the server.

let heartbeatMs = 30000;
function receive(frame) {
  clearTimeout(silenceTimer); // a server that says nothing for two and a half heartbeats is gone
  silenceTimer = setTimeout(() => lost(1006), heartbeatMs * 2.5);
  (handlers[frame.action] ?? (() => {}))(frame);
}

const handlers = {
  welcome(frame) {
    isWelcome = true;
    attempts = 0;
    if (frame.heartbeat_interval > 0) heartbeatMs = frame.heartbeat_interval * 1000;
    ownId = frame.connection_id;
    ownIds.add(ownId);
    showStatus("open", "Connected as " + (frame.user_id ?? frame.connection_id));
    if (frame.node !== undefined) byId("node").title = "node " + frame.node;
    if (frame.auth_error) note("Not authenticated: " + frame.auth_error, true);
    subscribe();
    flushOutbox(); // frames are handled in order: the subscription comes first
  },
  subscribe(frame) {
    if (frame.channel !== channel) return;
    // A gateway that has lost its past may give the ids of before to others.
    if (frame.recovered === false) ownIds = new Set([ownId]);
    if (frame.recovered === false && position) note("Some messages may be missing: the history does not reach back.");
    const { offset, epoch } = frame;
    if (frame.recovered !== true && offset && epoch) position = { offset, epoch };
  },
  message(frame) {
    if (frame.channel !== channel) return;
    const { offset, epoch } = frame;
    if (offset && epoch) {
      position = { offset, epoch };
      const place = epoch + " " + offset;
      if (seen.has(place)) return;
      seen.add(place);
      if (seen.size > 2000) seen.delete(seen.values().next().value);
    }
    showMessage(frame);
  },
  message_sent(frame) {
    outbox.delete(frame.id);
    const connections = frame.recipients_count === 1 ? " connection" : " connections";
    const where = frame.recipients_exact === false ? " on this node" : "";
    delivery.textContent = "Delivered to " + frame.recipients_count + connections + where;
  },
  ping() { send({ action: "pong" }); },
  timeout(frame) { note(frame.message); },
  reconnect(frame) { retryInMs = frame.retry_in_ms; },
  error(frame) {
    note(frame.error + (frame.retry_after ? " Again in " + frame.retry_after + " s." : ""), true);
    if (frame.code === "rate_limit" || frame.code === "unavailable") {
      clearTimeout(resendTimer);
      resendTimer = setTimeout(flushOutbox, (frame.retry_after ?? 2) * 1000);
    } else outbox.delete(frame.id);
  },
};

// Messages to the server: kept until acknowledged, sent again after a loss under the same key.

function flushOutbox() {
  for (const [id, data] of outbox) send({ action: "message", id, data });
}

byId("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = textInput.value.trim();
  if (text === "") return;
  const id = "m" + ++lastId;
  const data = { channel, message: text, echo: true, key: tab + ":" + id };
  outbox.set(id, data);
  if (isWelcome) send({ action: "message", id, data });
  else delivery.textContent = "Waiting for the connection";
  textInput.value = "";
  textInput.focus();
});

// The channel stands in the address, so that a second tab or a bookmark opens the same one.

function join(name) {
  if (name === channel) return;
  if (channel) send({ action: "unsubscribe", id: "u" + ++lastId, data: { channel } });
  channel = name;
  position = undefined;
  seen.clear();
  outbox.clear();
  list.replaceChildren();
  delivery.textContent = "";
  channelInput.value = name;
  document.title = name + " · Tidegate chat";
  byId("second").href = "#" + name;
  subscribe(); // before the welcome this sends nothing: the welcome subscribes
}

function joinFromAddress() {
  const name = location.hash.slice(1);
  join(isChannel(name) ? name : "chat.room.1");
}

byId("join").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = channelInput.value.trim();
  channelInput.setCustomValidity(isChannel(name) ? "" : "Words of letters, digits, _ and -, joined by dots");
  if (!channelInput.reportValidity()) return;
  location.hash = name;
  textInput.focus();
});
channelInput.addEventListener("input", () => channelInput.setCustomValidity(""));
addEventListener("hashchange", joinFromAddress);
addEventListener("online", () => { if (retryTimer !== undefined) connect(); });
again.addEventListener("click", () => { attempts = 0; connect(); textInput.focus(); });

// The document.

function showStatus(state, text, mayRetry) {
  statusLine.dataset.state = state;
  statusLine.textContent = text;
  again.hidden = !mayRetry;
}

function element(name, className, ...children) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children); // strings become text nodes
  return made;
}

function showMessage(frame) {
  const isMine = ownIds.has(frame.sender);
  const name = frame.sender === 0 ? "Server" : String(frame.user_id ?? "Connection " + frame.sender);
  const who = element("b", "", isMine ? "You" : name);
  if (frame.sender !== 0) who.style.setProperty("--hue", (frame.sender * 137) % 360);
  const at = new Date(frame.time * 1000);
  const isToday = at.toDateString() === new Date().toDateString();
  const format = isToday ? { timeStyle: "short" } : { dateStyle: "short", timeStyle: "short" };
  const time = element("time", "", at.toLocaleString([], format));
  time.dateTime = at.toISOString();
  const isText = typeof frame.message === "string";
  const text = isText ? frame.message : JSON.stringify(frame.message, null, 1).replace(/\n */g, " ");
  const parts = [element("header", "", who, time), element("p", isText ? "" : "value", text)];
  append(element("li", isMine ? "message mine" : "message", ...parts));
}

function note(text, isError) {
  append(element("li", isError ? "note error" : "note", text));
}

function append(item) {
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  list.append(item);
  while (list.childElementCount > 500) list.firstElementChild.remove();
  if (isAtEnd) list.scrollTop = list.scrollHeight;
}

joinFromAddress();
connect();
`;
