/** What a program may ask of the gateway besides subscriptions, and the keys that make asking twice harmless. */
import type { HistoryOptions, PublishOptions } from "./channel.ts";
import type { Acknowledgement, MemberList, MessageList } from "./frames.ts";

export type BatchItem =
  | ({ readonly action: "message"; readonly channel: string; readonly message: unknown } & PublishOptions)
  | { readonly action: "presence"; readonly channel: string }
  | ({ readonly action: "history"; readonly channel: string } & HistoryOptions);

export type Reply = Acknowledgement | MemberList | MessageList;

/** 128 bits of chance for this program, and a number for each: nobody else makes the same. */
export function newKey(): string {
  keys += 1;
  return `${program}-${keys}`;
}

const program = crypto.getRandomValues(new Uint32Array(4)).join("-");
let keys = 0;
