/** Who is in a channel, as it changes. */
import { useEffect, useState } from "react";
import type { Member } from "../client/index.ts";
import { useClient } from "./context.ts";

export interface UsedPresence {
  readonly members: readonly Member[];
  readonly count: number;
}

/** Subscribes while mounted: to a channel with presence, or nobody is ever there. */
export function usePresence(channel: string): UsedPresence {
  const client = useClient();
  const [members, setMembers] = useState<readonly Member[]>([]);
  useEffect(() => {
    setMembers([]);
    const held = client.subscribe(channel, undefined, { presence: true });
    const stop = held.on("members", setMembers);
    return () => {
      stop();
      held.unsubscribe();
    };
  }, [client, channel]);
  return { members, count: members.length };
}
