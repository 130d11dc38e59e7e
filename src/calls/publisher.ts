/**
 * Messages of the server itself on their way into the log. No policy is asked: what a backend publishes is the
 * operator's will.
 *
 * The rule: one callback a message, and nothing else on the way.
 */
import type { Bus, PublicationRecord } from "../bus/bus.ts";
import type { Idempotency } from "../channel/idempotency.ts";
import type { Policies } from "../channel/policy.ts";
import type { Clock } from "../clock/clock.ts";
import { publicationHead } from "../protocol/encode.ts";
import type { StreamPosition, Target } from "../protocol/messages.ts";
import { isChannelName } from "../protocol/names.ts";
import { CallError, type Json, type Published } from "./calls.ts";

export interface PublisherParts {
  readonly bus: Pick<Bus, "append">;
  readonly policies: Pick<Policies, "of">;
  readonly idempotency: Pick<Idempotency, "find" | "answer">;
  readonly clock: Clock;
  readonly messageBytesMax: number;
}

const serverId = 0;
/** Whose the keys of the server are: no user's, and not those of anonymous publishers either. User ids are never empty. */
const serverUser = "";

export class Publisher {
  readonly #parts: PublisherParts;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
  }

  /** Appends a message of `json`; `done` is called once, when the log has it, or with why not. Hot path. */
  append(
    channel: string,
    json: string,
    target: Target | undefined,
    key: string | undefined,
    done: (outcome: Published | CallError) => void,
  ): void {
    const { bus, policies, idempotency, clock } = this.#parts;
    if (!isChannelName(channel)) return done(invalidChannel(channel));
    const isKept = target === undefined && policies.of(channel).history.size > 0;
    const acceptedAtMs = clock.nowMs();
    const keyed = key === undefined ? undefined : { channel, userId: serverUser, key, acceptedAtMs };
    const before = keyed && idempotency.answer(keyed);
    if (before !== undefined) return done({ ...published(before, isKept), duplicate: true });
    const record: PublicationRecord = {
      kind: "publication",
      channel,
      head: publicationHead(channel, serverId, json, clock.unixSeconds(), undefined),
      sender: serverId,
      echo: true,
      target,
      key,
      userId: key === undefined ? undefined : serverUser,
      acceptedAtMs,
    };
    bus.append(record, (outcome) => {
      if (outcome === "unavailable") return done(unavailable());
      const known = keyed && idempotency.find(keyed);
      // Another process published with this key first, and this one had not heard of it.
      const isDuplicate = known !== undefined && known.offset !== outcome.offset;
      done(isDuplicate ? { ...published(known, isKept), duplicate: true } : published(outcome, isKept));
    });
  }

  /** A message as JSON text. Throws a `CallError` where it has none, or is too large. */
  encode(message: Json): string {
    const json = textOf(message);
    const { messageBytesMax } = this.#parts;
    if (json.length * 3 <= messageBytesMax) return json; // at most three bytes for each of UTF-16's units
    const bytes = Buffer.byteLength(json);
    if (bytes <= messageBytesMax) return json;
    throw new CallError(
      "too_large",
      `cannot publish: message must be at most ${messageBytesMax} bytes of JSON, got ${bytes}`,
    );
  }
}

/** `isKept`: the position says something to whoever recovers. */
function published({ offset, epoch }: StreamPosition, isKept: boolean): Published {
  return isKept ? { offset, epoch } : {};
}

/** Of whatever a program may hand in: what is no JSON value has no text, refers to itself, or is nested too deeply. */
function textOf(message: unknown): string {
  let json: string | undefined;
  let cause: unknown;
  try {
    json = JSON.stringify(message);
  } catch (error) {
    cause = error;
  }
  if (json !== undefined) return json;
  throw new CallError("invalid_call", `cannot publish: message must be a JSON value, got ${typeof message}`, { cause });
}

export const invalidChannel = (channel: unknown): CallError =>
  new CallError(
    "invalid_channel",
    `cannot call: channel must be 1 to 200 bytes, words of letters, digits, _ and - joined by dots, got ${JSON.stringify(channel)?.slice(0, 100)}`,
  );
const unavailable = (): CallError =>
  new CallError(
    "unavailable",
    "cannot publish: the log is not there yet, is away, or what waits for it is full. Try again.",
  );
