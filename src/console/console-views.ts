/** The views of the console as they stand in its document, empty; each is filled by its module in `page/`. */

export const overview = `<section id="view-overview" hidden>
  <div class="bar">
    <h1 tabindex="-1">Overview</h1>
    <label>Of <select id="scope"><option value="">all processes</option></select></label>
    <label>over <select id="window">
      <option value="1">1 minute</option><option value="5" selected>5 minutes</option><option value="15">15 minutes</option>
    </select></label>
  </div>
  <aside id="start" class="card start" hidden>
    <p><strong>New here?</strong> Open a chat, and from there the same chat in a second tab.
    What you write in one appears in the other, and here it is counted.</p>
    <a class="button" href="/chat">Open the chat</a>
  </aside>
  <div id="charts"></div>
  <section class="card">
    <h2>Since the start</h2>
    <dl id="totals" class="fields"></dl>
  </section>
  <section class="card">
    <h2>Log</h2>
    <dl id="log-figures" class="fields"></dl>
  </section>
  <section class="card"><h2>Processes</h2><div id="processes"></div></section>
</section>`;

export const channels = `<section id="view-channels" hidden>
  ${searchedList("channel", "Channels", "Part of a name, or a pattern: chat.>")}
  <div id="channel-detail" hidden>
    <p><a href="#/channels">← All channels</a></p>
    <div class="bar">
      <h1 id="channel-name" class="name" tabindex="-1"></h1>
      <a id="channel-playground" class="button quiet" href="#/playground">Open in the playground</a>
    </div>
    <section class="card">
      <dl class="fields">
        <div><dt>Subscribers</dt><dd id="channel-subscribers">–</dd></div>
        <div><dt>Members</dt><dd id="channel-members">–</dd></div>
      </dl>
    </section>
    <section class="card">
      <div class="bar">
        <h2>Members</h2>
        <form id="member-form" role="search" hidden>
          <label for="member-search" class="unseen">Search members</label>
          <input id="member-search" type="search" autocomplete="off" placeholder="User or role">
        </form>
      </div>
      <div id="members"></div><p id="members-note" class="note" hidden></p>
    </section>
    <section class="card">
      <h2>Latest messages</h2>
      <ol id="channel-messages" class="raw"></ol><p id="messages-note" class="note" hidden></p>
    </section>
  </div>
</section>`;

export const connections = `<section id="view-connections" hidden>
  ${searchedList("connection", "Connections", "User, id, role, address, channel")}
  <div id="connection-detail" hidden>
    <p><a href="#/connections">← All connections</a></p>
    <div class="bar">
      <h1 id="connection-name" tabindex="-1"></h1>
      <button id="disconnect" type="button" class="danger" hidden>Disconnect…</button>
    </div>
    <p id="connection-note" class="note" role="status" hidden></p>
    <div id="connection-cards">
      <section class="card"><dl id="connection-fields" class="fields"></dl></section>
      <section class="card"><h2>Channels</h2><ul id="connection-channels" class="chips"></ul></section>
    </div>
  </div>
  <dialog id="disconnect-dialog" aria-labelledby="disconnect-title">
    <form id="disconnect-form">
      <h2 id="disconnect-title"></h2>
      <label for="disconnect-code">Its client</label>
      <select id="disconnect-code">
        <option value="4503">is to stay away (4503)</option>
        <option value="4000">may come back (4000)</option>
      </select>
      <label for="disconnect-reason">Reason, told to the client</label>
      <input id="disconnect-reason" maxlength="100" placeholder="optional" autocomplete="off">
      <p id="disconnect-fault" class="fault" role="alert" hidden></p>
      <p class="buttons">
        <button id="disconnect-cancel" type="button" class="quiet">Cancel</button>
        <button type="submit" class="danger">Disconnect</button>
      </p>
    </form>
  </dialog>
</section>`;

export const playground = `<section id="view-playground" hidden>
  <div class="bar">
    <h1 tabindex="-1">Playground</h1>
    <p id="playground-status" class="status" role="status"></p>
  </div>
  <div class="columns">
    <div>
      <form id="connect-form" class="card">
        <label for="token">Token, if any, for <code id="playground-url"></code></label>
        <textarea id="token" rows="2" autocomplete="off" spellcheck="false" placeholder="eyJ…"></textarea>
        <p class="buttons"><button id="connect" type="submit">Connect</button></p>
      </form>
      <details class="card">
        <summary>Make a token</summary>
        <form id="token-form">
          <label for="token-user">User</label>
          <input id="token-user" autocomplete="off" required>
          <label for="token-role">Role</label>
          <input id="token-role" autocomplete="off" placeholder="user">
          <p id="token-fault" class="note" role="status" hidden></p>
          <p class="buttons"><button type="submit" class="quiet">Make it</button></p>
        </form>
      </details>
      <div class="card">
        <form id="subscribe-form">
          <label for="playground-channel">Channel</label>
          <input id="playground-channel" value="chat.room.1" autocomplete="off" autocapitalize="off" spellcheck="false" required>
          <p class="buttons">
            <button type="submit" class="quiet">Subscribe</button>
            <button id="unsubscribe" type="button" class="quiet">Unsubscribe</button>
          </p>
        </form>
        <form id="publish-form">
          <label for="playground-message">Message: JSON, or any text</label>
          <input id="playground-message" autocomplete="off" value="Hello everyone!">
          <p class="buttons"><button type="submit" class="quiet">Publish</button></p>
        </form>
      </div>
      <details class="card">
        <summary>Send a raw frame</summary>
        <form id="raw-form">
          <label for="raw">Frame</label>
          <textarea id="raw" rows="3" spellcheck="false">{"action": "ping"}</textarea>
          <p class="buttons"><button type="submit" class="quiet">Send</button></p>
        </form>
      </details>
    </div>
    <section class="card frames">
      <div class="bar"><h2>Frames</h2><button id="clear" type="button" class="quiet">Clear</button></div>
      <p id="playground-fault" class="fault" role="alert" hidden></p>
      <ol id="frames" class="raw" role="log" aria-label="Frames" tabindex="0"></ol>
    </section>
  </div>
</section>`;

export const code = `<section id="view-code" hidden>
  <div class="bar">
    <h1 tabindex="-1">Code</h1>
    <label>for <input id="snippet-channel" value="chat.room.1" aria-label="Channel" autocomplete="off" spellcheck="false"></label>
  </div>
  <p class="note">Save the page as a file and open it. The modules go into a project with the package <code>tidegate</code>:
  <code>npm install --install-links</code> and the gateway's folder.</p>
  ${snippet("page", "Page")}
  ${snippet("module", "Module")}
  ${snippet("react", "React")}
  ${snippet("curl", "Backend, by curl")}
</section>`;

/** A list, and the form that searches it: `name` is that of one item, and begins the ids. */
function searchedList(name: string, title: string, placeholder: string): string {
  return `<div id="${name}-list">
    <div class="bar">
      <h1 tabindex="-1">${title}</h1>
      <form id="${name}-form" role="search">
        <label for="${name}-search" class="unseen">Search ${name}s</label>
        <input id="${name}-search" type="search" autocomplete="off" autocapitalize="off" spellcheck="false"
          placeholder="${placeholder}">
        <button type="submit" class="quiet">Search</button>
      </form>
    </div>
    <div class="card"><div id="${name}s"></div><p id="${name}s-note" class="note" hidden></p></div>
  </div>`;
}

/** Code with a button that copies it. */
function snippet(name: string, title: string): string {
  return `<section class="card">
    <div class="bar">
      <h2 id="title-${name}">${title}</h2>
      <button id="copy-${name}" type="button" class="quiet" aria-describedby="title-${name}">Copy</button>
    </div>
    <pre tabindex="0"><code id="snippet-${name}"></code></pre>
  </section>`;
}
