import { useState } from "react";
import { TidegateProvider, useChannel, useConnection, usePresence } from "../../src/react/index.ts";

function Chat({ channel }) {
  const { messages, publish } = useChannel(channel, { history: 20 });
  const { members } = usePresence("presence.lobby");
  const { state } = useConnection();
  const [text, setText] = useState("");
  const send = (event) => {
    event.preventDefault();
    publish(text);
    setText("");
  };
  return (
    <form onSubmit={send}>
      <p>
        {state}, with {members.map(({ user_id, connection_id }) => user_id ?? connection_id).join(", ")}
      </p>
      {messages.map(({ key, sender, user_id, message }) => (
        <p key={key}>
          <b>{user_id ?? sender}:</b> {message}
        </p>
      ))}
      <input value={text} onChange={(event) => setText(event.target.value)} />
    </form>
  );
}

export const App = ({ url, options }) => (
  <TidegateProvider url={url} options={options}>
    <Chat channel="chat.room.1" />
  </TidegateProvider>
);
