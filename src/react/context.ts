/** The client of a component tree. */
import { createContext, createElement, type ReactNode, useContext, useEffect, useState } from "react";
import { type Client, type ClientOptions, createClient } from "../client/index.ts";

const ClientContext = createContext<Client | undefined>(undefined);

export interface TidegateProviderProps {
  readonly children?: ReactNode;
  /** The gateway's address; a client of its own connects to it while the provider is mounted. */
  readonly url?: string | undefined;
  /** Of that client. Read once for each `url`. */
  readonly options?: ClientOptions | undefined;
  /** Instead of `url`: a client that the program made, and connects and disconnects itself. */
  readonly client?: Client | undefined;
}

/** Gives the components below it a client. Throws where it has neither `url` nor `client`. */
export function TidegateProvider({ children, url, options, client }: TidegateProviderProps): ReactNode {
  const [own, setOwn] = useState(() => ownClient(url, options, client));
  if (own?.url !== url && client === undefined) setOwn(ownClient(url, options, client));
  useEffect(() => {
    if (client !== undefined) return undefined;
    own?.client.connect();
    return () => own?.client.disconnect();
  }, [own, client]);
  return createElement(ClientContext.Provider, { value: client ?? own?.client }, children);
}

/** Made while rendering, perhaps twice: it does nothing until `connect()`. */
function ownClient(url: string | undefined, options: ClientOptions | undefined, client: Client | undefined) {
  if (client !== undefined) return undefined;
  if (url === undefined) throw new TypeError("cannot render TidegateProvider: url or client must be given");
  return { url, client: createClient(url, { ...options, autoConnect: false }) };
}

/** The client of the provider above. */
export function useClient(): Client {
  const client = useContext(ClientContext);
  if (client === undefined) throw new TypeError("cannot use Tidegate hooks: there must be a TidegateProvider above");
  return client;
}
