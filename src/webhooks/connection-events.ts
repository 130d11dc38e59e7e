/**
 * What happens to the connections of this process, as events: opened, closed, subscribed, unsubscribed.
 *
 * The rule: subscriptions are seen where they live, in the socket's topics, so that no way to gain or lose one is missed.
 */
import type { Connection } from "../connection/connection.ts";
import type { Connections } from "../connection/connections.ts";
import { createEvent, type EventSink } from "./event.ts";
import type { EventName } from "./webhook-options.ts";

export class ConnectionEvents {
  readonly #sink: EventSink;
  readonly #connections: Connections;
  readonly #wanted: Readonly<Record<"subscribed" | "unsubscribed", boolean>>;
  #count = 0;

  constructor(sink: EventSink, connections: Connections) {
    this.#sink = sink;
    this.#connections = connections;
    this.#wanted = { subscribed: sink.wants("subscribed"), unsubscribed: sink.wants("unsubscribed") };
    if (sink.wants("connected"))
      connections.onOpen((connection) => {
        const { address, format } = connection;
        this.#emit("connected", { ...this.#who(connection), address, format });
      });
    if (sink.wants("disconnected"))
      connections.onClose((connection, code, reason) =>
        this.#emit("disconnected", { ...this.#who(connection), code, reason }),
      );
  }

  /** A connection's topics have changed. */
  subscriptionChanged(connection: Connection, channel: string, isSubscribed: boolean): void {
    const event = isSubscribed ? "subscribed" : "unsubscribed";
    if (this.#wanted[event]) this.#emit(event, { channel, ...this.#who(connection) });
  }

  #who(connection: Connection): object {
    const { id, identity } = connection;
    const session = this.#connections.session(connection);
    const user = identity && { user_id: JSON.parse(identity.userIdJson), role: identity.role };
    return { connection_id: id, session, node: this.#connections.node, ...user };
  }

  #emit(event: EventName, fields: Readonly<Record<string, unknown>> & { readonly channel?: string }): void {
    this.#count += 1;
    const id = `${this.#connections.node}.${this.#count.toString(36)}`;
    this.#sink.emit(createEvent(id, event, false, fields));
  }
}
