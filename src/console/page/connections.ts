/** The open connections of all nodes; one of them with all that is known of it, and the button that ends it. */
import { ApiError, type ConnectionRow, call, type PageOf } from "./api.ts";
import { byId, element, onSubmit, setNote, setText, tellFields } from "./dom.ts";
import { bytes, count } from "./format.ts";
import { Listing } from "./listing.ts";
import { Table } from "./table.ts";

export class ConnectionsView {
  readonly #table = new Table<ConnectionRow>(
    "Connections",
    [
      {
        label: "Connection",
        text: ({ connection }) => String(connection),
        href: ({ connection }) => `#/connections/${connection}`,
      },
      { label: "User", text: ({ user }) => (user === undefined ? "–" : String(user)) },
      { label: "Role", text: ({ role }) => role ?? "–" },
      { label: "Address", text: ({ address }) => address },
      { label: "Channels", isNumber: true, text: ({ channels }) => count(channels.length) },
      { label: "Queue", isNumber: true, text: ({ queuedBytes }) => bytes(queuedBytes) },
      { label: "Node", text: ({ node }) => node },
    ],
    ({ connection }) => String(connection),
  );
  readonly #listing = new Listing<ConnectionRow>({
    name: "connections",
    // A user or an id is found at once, however many there are; anything else by looking at them.
    queries: (search) => [
      ...(search === "" ? [] : [{ user: search }]),
      ...(isConnectionId(search) ? [{ connection: Number(search) }] : []),
      {},
    ],
    matches: ({ connection, user, role, address, node, channels }, search) =>
      [connection, user, role, address, node, ...channels].some((value) =>
        String(value ?? "")
          .toLowerCase()
          .includes(search.toLowerCase()),
      ),
    keyOf: ({ connection }) => String(connection),
    table: this.#table,
    input: byId("connection-search", HTMLInputElement),
    note: byId("connections-note"),
    nothing: "Nobody is connected. Open the chat, or connect in the playground.",
  });
  readonly #dialog = byId("disconnect-dialog", HTMLDialogElement);
  readonly #fault = byId("disconnect-fault");
  #connection: number | undefined;

  constructor() {
    byId("connections").append(this.#table.element);
    onSubmit(byId("connection-form"), () => this.#listing.refresh());
    byId("connection-search").addEventListener("input", () => void this.#listing.refresh());
    byId("disconnect").addEventListener("click", () => this.#ask());
    byId("disconnect-cancel").addEventListener("click", () => this.#dialog.close());
    onSubmit(byId("disconnect-form"), () => this.#disconnect());
  }

  /** The list, or one connection. */
  show(argument: string | undefined): void {
    const id = isConnectionId(argument ?? "") ? argument : undefined; // nothing else is one
    this.#connection = id === undefined ? undefined : Number(id);
    byId("connection-list").hidden = id !== undefined;
    byId("connection-detail").hidden = id === undefined;
    setText(byId("connection-name"), `Connection ${id ?? ""}`);
    byId("connection-cards").hidden = true; // until it is found
    byId("disconnect").hidden = true;
    setNote(byId("connection-note"), "");
    this.refresh();
  }

  hide(): void {
    this.#dialog.close();
  }

  refresh(): void {
    if (this.#connection === undefined) void this.#listing.refresh();
    else void this.#refreshDetail(this.#connection);
  }

  async #refreshDetail(connection: number): Promise<void> {
    const note = byId("connection-note");
    try {
      const { items } = await call<PageOf<ConnectionRow>>("connections", { connection });
      if (connection !== this.#connection) return;
      const [found] = items;
      byId("disconnect").hidden = found === undefined;
      if (found !== undefined) byId("connection-cards").hidden = false; // one that closes leaves what was known of it
      setNote(note, found === undefined ? "This connection is closed." : "");
      if (found !== undefined) describe(found);
    } catch (error) {
      if (error instanceof ApiError && connection === this.#connection) setNote(note, error.message);
    }
  }

  #ask(): void {
    setText(byId("disconnect-title"), `Disconnect connection ${this.#connection}?`);
    setNote(this.#fault, "");
    this.#dialog.showModal();
  }

  async #disconnect(): Promise<void> {
    const connection = this.#connection!;
    const reason = byId("disconnect-reason", HTMLInputElement).value.trim();
    const code = Number(byId("disconnect-code", HTMLSelectElement).value);
    try {
      await call("disconnect", { connections: [connection], code, ...(reason !== "" && { reason }) });
      this.#dialog.close();
      await this.#refreshDetail(connection);
      byId("connection-name").focus();
    } catch (error) {
      if (error instanceof ApiError) setNote(this.#fault, error.message);
    }
  }
}

const isConnectionId = (text: string): boolean => /^[1-9]\d*$/.test(text) && Number.isSafeInteger(Number(text));

function describe(found: ConnectionRow): void {
  tellFields(byId("connection-fields"), [
    ["User", found.user === undefined ? "anonymous" : String(found.user)],
    ["Role", found.role ?? "–"],
    ["Address", found.address],
    ["Node", found.node],
    ["Session", found.session],
    ["Format", found.format],
    ["Waiting to be sent", bytes(found.queuedBytes)],
  ]);
  const list = byId("connection-channels");
  if ([...list.children].map(({ textContent }) => textContent).join() === found.channels.join()) return;
  const links = found.channels.map((channel) =>
    element("a", { attributes: { href: `#/channels/${encodeURIComponent(channel)}` } }, channel),
  );
  list.replaceChildren(...links.map((link) => element("li", {}, link)));
}
