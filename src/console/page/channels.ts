/** The channels that have subscribers; of one its members, and the messages that are kept of it. */
import { ApiError, type ChannelRow, call, type MemberRow } from "./api.ts";
import { byId, element, onSubmit, setNote, setText } from "./dom.ts";
import { count } from "./format.ts";
import { Listing } from "./listing.ts";
import { Table } from "./table.ts";

const messagesMax = 20;

export class ChannelsView {
  readonly #table = new Table<ChannelRow>(
    "Channels",
    [
      {
        label: "Channel",
        text: ({ channel }) => channel,
        href: ({ channel }) => `#/channels/${encodeURIComponent(channel)}`,
      },
      { label: "Subscribers", isNumber: true, text: ({ subscribers }) => count(subscribers) },
      { label: "Members", isNumber: true, text: ({ members }) => (members === undefined ? "–" : count(members)) },
    ],
    ({ channel }) => channel,
  );
  readonly #listing = new Listing<ChannelRow>({
    name: "channels",
    queries: (search) => [isPattern(search) ? { pattern: search } : {}],
    matches: ({ channel }, search) => isPattern(search) || channel.toLowerCase().includes(search.toLowerCase()),
    keyOf: ({ channel }) => channel,
    table: this.#table,
    input: byId("channel-search", HTMLInputElement),
    note: byId("channels-note"),
    nothing: "No channel has subscribers yet. Open the chat, or subscribe in the playground.",
  });
  readonly #members = new Table<MemberRow>(
    "Members",
    [
      { label: "User", text: ({ user_id: user, connection_id: id }) => String(user ?? `connection ${id}`) },
      { label: "Role", text: ({ role }) => role ?? "–" },
    ],
    (member) => JSON.stringify([member.user_id, member.connection_id]),
  );
  readonly #memberSearch = byId("member-search", HTMLInputElement);
  #listed: readonly MemberRow[] = [];
  #channel: string | undefined;

  constructor() {
    byId("channels").append(this.#table.element);
    byId("members").append(this.#members.element);
    onSubmit(byId("channel-form"), () => this.#listing.refresh());
    byId("channel-search").addEventListener("input", () => void this.#listing.refresh());
    this.#memberSearch.addEventListener("input", () => this.#showMembers());
  }

  /** The list, or one channel. */
  show(channel: string | undefined): void {
    if (channel !== this.#channel) {
      this.#listed = [];
      this.#memberSearch.value = "";
      byId("channel-messages").replaceChildren();
    }
    this.#channel = channel;
    byId("channel-list").hidden = channel !== undefined;
    byId("channel-detail").hidden = channel === undefined;
    setText(byId("channel-name"), channel ?? "");
    byId("channel-playground").setAttribute("href", `#/playground/${encodeURIComponent(channel ?? "")}`);
    this.refresh();
  }

  hide(): void {}

  refresh(): void {
    if (this.#channel === undefined) void this.#listing.refresh();
    else void this.#refreshDetail(this.#channel);
  }

  async #refreshDetail(channel: string): Promise<void> {
    const calls = [
      { method: "channels", params: { pattern: channel } },
      { method: "presence", params: { channel } },
      { method: "history", params: { channel, limit: messagesMax, reverse: true } },
    ];
    let answers: readonly Answer[];
    try {
      answers = (await call<{ results: readonly Answer[] }>("batch", { calls })).results;
    } catch (error) {
      return setText(byId("channel-subscribers"), error instanceof ApiError ? error.message : "–");
    }
    if (channel !== this.#channel) return;
    const [list = {}, presence = {}, history = {}] = answers;
    const { items = [] } = (list.result ?? {}) as { readonly items?: readonly ChannelRow[] };
    const { members } = (presence.result ?? {}) as { readonly members?: readonly MemberRow[] };
    const { messages = [] } = (history.result ?? {}) as { readonly messages?: readonly object[] };
    setText(byId("channel-subscribers"), list.error?.message ?? count(items[0]?.subscribers ?? 0));
    setText(byId("channel-members"), members === undefined ? "–" : count(members.length));
    this.#listed = members ?? [];
    byId("member-form").hidden = this.#listed.length === 0;
    setNote(byId("members-note"), noteOf(presence, this.#listed, "Nobody is here.", "This channel has no presence."));
    this.#showMembers();
    setNote(
      byId("messages-note"),
      noteOf(history, messages, "Nothing at the moment.", "This channel keeps no history."),
    );
    const lines = messages.map((message) => JSON.stringify(message));
    const shown = byId("channel-messages");
    if ([...shown.children].map(({ textContent }) => textContent).join("\n") !== lines.join("\n"))
      shown.replaceChildren(...lines.map((line) => element("li", {}, line)));
  }

  #showMembers(): void {
    const wanted = this.#memberSearch.value.trim().toLowerCase();
    const text = ({ user_id: user, connection_id: id, role }: MemberRow) => `${user ?? id} ${role ?? ""}`.toLowerCase();
    this.#members.show(this.#listed.filter((member) => text(member).includes(wanted)).slice(0, 500));
  }
}

const isPattern = (search: string): boolean => /[*>]/.test(search);

/** To one call of a batch. */
interface Answer {
  readonly result?: object;
  readonly error?: { readonly code: string; readonly message: string };
}

function noteOf({ error }: Answer, found: readonly unknown[], nothing: string, isNotKept: string): string {
  if (error !== undefined) return error.code === "not_found" ? isNotKept : error.message;
  return found.length === 0 ? nothing : "";
}
