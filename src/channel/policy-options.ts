import type { CalloutTarget } from "../callout/callout-options.ts";

/** The rules of a channel: one entry of the `channels` section of the configuration, all fields optional there. */
export interface PolicyOptions {
  /**
   * Who may subscribe; any rule that holds suffices: `anyone`, `authenticated`, `owner` (the channel's `{user}` word is
   * the connection's user), `granted` (a `channels` claim or a subscribe token), `role:NAME`, `nobody`.
   */
  readonly subscribe?: readonly string[] | undefined;
  /** Who may publish; as above with `subscriber` (whoever is subscribed) and the `publish` claim for `granted`. */
  readonly publish?: readonly string[] | undefined;
  /** Messages kept for recovery: at most `size`, for at most `seconds`; 0 keeps none. */
  readonly history?: { readonly size: number; readonly seconds: number } | undefined;
  /** Keep a list of members and announce joins and leaves. */
  readonly presence?: boolean | undefined;
  /** Messages a minute that one connection may publish to channels of this pattern; 0: no limit but the connection's. */
  readonly rate?: number | undefined;
  /** The publisher gets its own messages. */
  readonly echo?: boolean | undefined;
  /** A backend that must agree to what the rules allow, and to which of it: `subscribe`, `publish`. */
  readonly authorize?: Authorize | undefined;
}

export interface Authorize extends CalloutTarget {
  readonly on: readonly string[];
}
