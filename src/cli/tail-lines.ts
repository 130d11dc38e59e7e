/** How `tidegate tail` shows a frame: time, sender and message on one line, safe for a terminal. */
import { printable } from "./output.ts";

/** A frame of the server, parsed but not checked. */
export type Frame = Readonly<Record<string, unknown>>;

/** The line for a frame, or `undefined` where it is nothing to show. `now` decides whether the date is worth telling. */
export function lineOf(frame: Frame, now: Date): string | undefined {
  const { action, time, event, count } = frame;
  if (action === "message")
    return printable(`${timeText(time, now)} ${senderText(frame)}  ${messageText(frame.message)}`);
  if (action !== "presence" || (event !== "join" && event !== "leave")) return undefined; // also the reply of that name
  const member = isFrame(frame.member) ? frame.member : {};
  return printable(`${timeText(time, now)} * ${nameOf(member.user_id, member.connection_id)} ${event} (${count} here)`);
}

/** A message as people read it: text as it is, everything else as JSON. */
function messageText(message: unknown): string {
  return typeof message === "string" ? message : JSON.stringify(message);
}

/** The user, else the connection, `#7`; 0 is the server itself. */
function senderText({ user_id: user, sender }: Frame): string {
  return sender === 0 && user === undefined ? "server" : nameOf(user, sender);
}

const nameOf = (user: unknown, connection: unknown): string => (user === undefined ? `#${connection}` : String(user));

/** Local time; with the date where that is not today's. */
function timeText(time: unknown, now: Date): string {
  const date = new Date(typeof time === "number" ? time * 1000 : Number.NaN);
  if (Number.isNaN(date.getTime())) return "--:--:--";
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(":");
  if (date.toDateString() === now.toDateString()) return clock;
  return `${[date.getFullYear(), date.getMonth() + 1, date.getDate()].map(twoDigits).join("-")} ${clock}`;
}

const twoDigits = (value: number): string => String(value).padStart(2, "0");

export function isFrame(value: unknown): value is Frame {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
