import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as uws from "../../src/uws/uws.ts";
import { freePort } from "../support/child.ts";

describe("uWebSockets.js behind its one import", () => {
  it("brings every value that its types promise", () => {
    for (const [name, value] of Object.entries(uws)) assert.notEqual(value, undefined, name);
    assert.deepEqual([uws.DISABLED, uws.LIBUS_LISTEN_EXCLUSIVE_PORT], [0, 1]);
    assert.equal(typeof uws.DEDICATED_COMPRESSOR_4KB, "number");
  });

  it("takes request headers of 16 KB: room for a token of 8 KB", async () => {
    const app = uws.App().get("/*", (response) => void response.end("ok"));
    const socket = uws.listen(app, "127.0.0.1", 0, { exclusive: true });
    assert.ok(socket);
    try {
      const url = `http://127.0.0.1:${uws.us_socket_local_port(socket)}/`;
      const response = await fetch(`${url}?token=${"t".repeat(6000)}`, {
        headers: { Authorization: "a".repeat(6000) },
      });
      assert.equal(response.status, 200);
    } finally {
      app.close();
    }
  });

  it("shares a port between listeners that do not ask for it exclusively, and with no one else", async () => {
    const apps = [uws.App(), uws.App(), uws.App(), uws.App()] as const;
    try {
      const port = await freePort();
      const free = uws.listen(apps[0], "127.0.0.1", port, { exclusive: true });
      assert.ok(free);
      assert.equal(uws.listen(apps[1], "127.0.0.1", port, { exclusive: false }), false);
      uws.us_listen_socket_close(free);
      assert.ok(uws.listen(apps[1], "127.0.0.1", port, { exclusive: false }));
      assert.ok(uws.listen(apps[2], "127.0.0.1", port, { exclusive: false }));
      assert.equal(uws.listen(apps[3], "127.0.0.1", port, { exclusive: true }), false);
    } finally {
      for (const app of apps) app.close();
    }
  });

  it("refuses a port that would silently become another one", () => {
    const app = uws.App();
    for (const port of [80_808, -1, 1.5, Number.NaN])
      assert.throws(() => uws.listen(app, "127.0.0.1", port, { exclusive: true }), /would silently become/);
    app.close();
  });
});
