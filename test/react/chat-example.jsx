import { TidegateProvider, useChannel, useConnection, usePresence } from "../../src/react/index.ts";

const asText = (message) => (typeof message === "string" ? message : JSON.stringify(message)); // others may send any JSON

function Chat({ channel }) {
  const { messages, publish } = useChannel(channel, { history: 20 });
  const { members } = usePresence("presence.lobby");
  const { state } = useConnection();
  const names = members.map(({ user_id, connection_id }) => user_id ?? connection_id);
  const send = (event) => {
    event.preventDefault();
    publish(event.target.text.value);
    event.target.reset();
  };
  return (
    <form onSubmit={send}>
      <p>{`${state}, with ${names.join(", ")}`}</p>
      {messages.map(({ key, sender, user_id, message }) => (
        <p key={key}>
          <b>{user_id ?? sender}:</b> {asText(message)}
        </p>
      ))}
      <input name="text" autoComplete="off" />
    </form>
  );
}

export const App = ({ url, options }) => (
  <TidegateProvider url={url} options={options}>
    <Chat channel="chat.room.1" />
  </TidegateProvider>
);
