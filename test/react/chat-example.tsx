import { TidegateProvider, useChannel } from "../../src/react/index.ts";

export function Chat({ channel }: { readonly channel: string }) {
  const { messages, publish, isSubscribed } = useChannel(channel, { history: 20 });
  return (
    <form action={(form) => void publish(form.get("text"))}>
      <p>{isSubscribed ? "Connected" : "Disconnected"}</p>
      {messages.map(({ key, user_id, sender, message }) => (
        <p key={key}>{`${user_id ?? sender}: ${asText(message)}`}</p>
      ))}
      <input name="text" autoComplete="off" required />
      <input type="submit" value="Send" disabled={!isSubscribed} />
    </form>
  );
}

const asText = (message: unknown) => (typeof message === "string" ? message : JSON.stringify(message)); // others may send any JSON

export const App = () => (
  <TidegateProvider url="ws://localhost:9501">
    <Chat channel="chat.room.1" />
  </TidegateProvider>
);
