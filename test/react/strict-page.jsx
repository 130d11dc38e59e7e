/** The example in strict mode, as a page of the browser tests; `unmount` takes it away. */
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./chat-example.jsx";

window.start = (url, options) => {
  const root = createRoot(document.querySelector("#root"));
  root.render(
    <StrictMode>
      <App url={url} options={options} />
    </StrictMode>,
  );
  window.unmount = () => root.unmount();
};
