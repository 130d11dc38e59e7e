/**
 * A channel's messages as state. The rule: an effect subscribes and its end unsubscribes, so what React does twice in
 * strict mode leaves nothing behind.
 */
import { useCallback, useEffect, useRef, useState } from "react";
import type {
  Acknowledgement,
  Member,
  Message,
  PublishOptions,
  SubscribeOptions,
  TidegateError,
} from "../client/index.ts";
import { useClient } from "./context.ts";

export interface UseChannelOptions<Value> extends SubscribeOptions {
  /** Messages that stay in `messages`: the latest; 100 unless told. */
  readonly keep?: number;
  /** Called for each message, in order. */
  readonly onMessage?: (message: Message<Value>) => void;
}

/** A message with a key for lists. */
export type ListedMessage<Value> = Message<Value> & { readonly key: number };

export interface UsedChannel<Value> {
  /** Oldest first. */
  readonly messages: readonly ListedMessage<Value>[];
  /** The connection is there, and the channel subscribed. */
  readonly isSubscribed: boolean;
  /** Who is there; with the option `presence`. */
  readonly members: readonly Member[];
  /** Times that messages may have been missed. */
  readonly gaps: number;
  /** Why the subscription is over. */
  readonly error: TidegateError | undefined;
  readonly publish: (message: Value, options?: PublishOptions) => Promise<Acknowledgement>;
}

interface State<Value> extends Omit<UsedChannel<Value>, "publish"> {
  readonly count: number;
}

const nothing = { messages: [], isSubscribed: false, members: [], gaps: 0, error: undefined, count: 0 };

/** Subscribes while mounted. `history`, `presence` and `token` are those of the first render with this `channel`. */
export function useChannel<Value = unknown>(
  channel: string,
  options: UseChannelOptions<Value> = {},
): UsedChannel<Value> {
  const client = useClient();
  const [{ count, ...state }, setState] = useState<State<Value>>(nothing);
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });
  useEffect(() => {
    setState(nothing);
    const change = (next: (state: State<Value>) => Partial<State<Value>>): void =>
      setState((before) => ({ ...before, ...next(before) }));
    const held = client.subscribe(channel, undefined, latest.current);
    const stops = [
      held.on("message", (received) => {
        const message = received as Message<Value>;
        latest.current.onMessage?.(message);
        const { keep = 100 } = latest.current;
        change(({ messages, count }) => ({
          messages: [...messages, { ...message, key: count }].slice(Math.max(0, messages.length + 1 - keep)),
          count: count + 1,
        }));
      }),
      held.on("subscribed", () => change(() => ({ isSubscribed: true }))),
      held.on("members", (members) => change(() => ({ members }))),
      held.on("gap", () => change(({ gaps }) => ({ gaps: gaps + 1 }))),
      held.on("end", (error) => change(() => ({ isSubscribed: false, error }))),
      client.on("close", () => change(() => ({ isSubscribed: false }))),
    ];
    return () => {
      for (const stop of stops) stop();
      held.unsubscribe();
    };
  }, [client, channel]);
  const publish = useCallback(
    (message: Value, how?: PublishOptions) => client.publish(channel, message, how),
    [client, channel],
  );
  return { ...state, publish };
}
