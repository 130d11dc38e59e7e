import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ConnectOptions, connect, refusedHandshake } from "../support/client.ts";
import { startTestGateway } from "../support/gateway.ts";
import { token } from "../support/tokens.ts";
import { handshakeText, RawClient } from "./raw-client.ts";

/** The ways in which a client can hand over a token. */
const places: Record<string, (given: string) => { query?: string; options?: ConnectOptions }> = {
  "?token=": (given) => ({ query: `token=${given}` }),
  "the Authorization header": (given) => ({ options: { headers: { Authorization: `Bearer ${given}` } } }),
  "the subprotocol pair": (given) => ({ options: { subprotocols: ["bearer", given] } }),
};

describe("The token of a handshake", () => {
  for (const [place, give] of Object.entries(places)) {
    it(`is taken from ${place}`, async (t) => {
      const gateway = await startTestGateway(t);
      const { query = "", options = {} } = give(token({ user_id: 42, role: "editor" }));
      const client = await connect(t, `${gateway.url}/?${query}`, options);
      const { authenticated, user_id, role, auth_error } = client.frames[0]!;
      assert.deepEqual(
        { authenticated, user_id, role, auth_error },
        { authenticated: true, user_id: 42, role: "editor", auth_error: undefined },
      );
    });

    it(`from ${place} may be bad: the welcome says auth_error and the client is anonymous`, async (t) => {
      const gateway = await startTestGateway(t);
      const faults = {
        invalid_token: token({ user_id: 42 }, "another secret of thirty-two bytes or more"),
        token_expired: token({ user_id: 42, exp: Math.floor(Date.now() / 1000) - 60 }),
      };
      for (const [fault, given] of Object.entries(faults)) {
        const { query = "", options = {} } = give(given);
        const client = await connect(t, `${gateway.url}/?${query}`, options);
        const { authenticated, user_id, auth_error } = client.frames[0]!;
        assert.deepEqual(
          { authenticated, user_id, auth_error },
          { authenticated: false, user_id: undefined, auth_error: fault },
        );
      }
    });
  }

  it("is found whatever the case of Bearer", async (t) => {
    const gateway = await startTestGateway(t);
    const given = token({ user_id: 1 });
    for (const options of [
      { headers: { Authorization: `bearer ${given}` } },
      { headers: { Authorization: `BEARER  ${given} ` } },
    ]) {
      const client = await connect(t, gateway.url, options);
      assert.equal(client.frames[0]!.authenticated, true);
    }
  });

  it("is not looked for in another kind of Authorization", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await connect(t, gateway.url, { headers: { Authorization: "Basic dXNlcjpwYXNz" } });
    assert.equal(client.frames[0]!.auth_error, undefined);
  });

  it("is not there where ?token= is empty", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await connect(t, `${gateway.url}/?token=`);
    assert.equal(client.frames[0]!.auth_error, undefined);
  });

  it("may be given twice where both are the same", async (t) => {
    const gateway = await startTestGateway(t);
    const given = token({ user_id: 42 });
    const client = await connect(t, `${gateway.url}/?token=${given}&token=${given}`, {
      headers: { Authorization: `Bearer ${given}` },
      subprotocols: ["bearer", given],
    });
    assert.equal(client.frames[0]!.user_id, 42);
  });

  it("is invalid_token where two places disagree, although each is a good one", async (t) => {
    const gateway = await startTestGateway(t);
    const [one, other] = [token({ user_id: 1 }), token({ user_id: 2 })];
    const pairs: [string, ConnectOptions][] = [
      [`?token=${one}`, { headers: { Authorization: `Bearer ${other}` } }],
      [`?token=${one}`, { subprotocols: ["bearer", other] }],
      [`?token=${one}&token=${other}`, {}],
      ["", { headers: { Authorization: `Bearer ${one}` }, subprotocols: ["bearer", other] }],
    ];
    for (const [query, options] of pairs) {
      const client = await connect(t, `${gateway.url}/${query}`, options);
      const { authenticated, auth_error } = client.frames[0]!;
      assert.deepEqual({ authenticated, auth_error }, { authenticated: false, auth_error: "invalid_token" }, query);
    }
  });

  it("is invalid_token where one place holds two, or more than a token: none of them is picked", async (t) => {
    const gateway = await startTestGateway(t);
    const [one, other] = [token({ user_id: 1 }), token({ user_id: 2 })];
    for (const headers of [
      { Authorization: [`Bearer ${one}`, `Bearer ${other}`] },
      { Authorization: [`Bearer ${one}`, "Basic dXNlcjpwYXNz"] },
      { Authorization: `Bearer ${one}, Bearer ${one}` },
      { Authorization: `Bearer ${one} ${other}` },
      { "Sec-WebSocket-Protocol": `bearer, ${one}, bearer, ${other}` },
      { "Sec-WebSocket-Protocol": [`bearer, ${one}`, `bearer, ${other}`] },
    ]) {
      const client = await RawClient.connect(t, gateway.port);
      client.write(handshakeText({ headers }));
      assert.equal((await client.answer()).status, 101);
      const { authenticated, auth_error } = await client.json();
      const said = JSON.stringify(Object.keys(headers));
      assert.deepEqual({ authenticated, auth_error }, { authenticated: false, auth_error: "invalid_token" }, said);
    }
  });

  it("is not there where Bearer stands alone", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await connect(t, gateway.url, { headers: { Authorization: "Bearer " } });
    assert.equal(client.frames[0]!.auth_error, undefined);
  });
});

describe("The subprotocol of the answer", () => {
  const given = token({ user_id: 1 });
  const offers: [offered: string[], answered: string][] = [
    [["bearer", given], "bearer"],
    [["bearer", given, "tidegate.json.v1"], "tidegate.json.v1"],
    [["tidegate.json.v1", "bearer", given], "tidegate.json.v1"],
    [["bearer", given, "tidegate.msgpack.v1"], "tidegate.msgpack.v1"],
    [["bearer", "tidegate.json.v1"], "tidegate.json.v1"],
  ];
  for (const [offered, answered] of offers) {
    const shown = offered.map((word) => (word === given ? "TOKEN" : word)).join(", ");
    it(`is ${answered} and never the token, where the client offers ${shown}`, async (t) => {
      const gateway = await startTestGateway(t);
      const client = await connect(t, gateway.url, { subprotocols: offered });
      assert.equal(client.socket.protocol, answered);
      assert.equal(client.frames[0]!.authenticated, offered.includes(given));
    });
  }

  it("is none where the token stands in an unknown place", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await RawClient.connect(t, gateway.port);
    client.write(handshakeText({ headers: { "Sec-WebSocket-Protocol": `${given}, bearer` } }));
    const { status, headers } = await client.answer();
    assert.equal(status, 101);
    assert.equal(headers["sec-websocket-protocol"], undefined);
    assert.equal((await client.json()).authenticated, false);
  });
});

describe("auth.required", () => {
  const settings = { auth: { required: true } };

  it("lets a good token in", async (t) => {
    const gateway = await startTestGateway(t, settings);
    const client = await connect(t, `${gateway.url}/?token=${token({ user_id: 1 })}`);
    assert.equal(client.frames[0]!.authenticated, true);
  });

  const expired = token({ user_id: 1, exp: Math.floor(Date.now() / 1000) - 60 });
  const refused: Record<string, [query: string, options: ConnectOptions, error: string]> = {
    "no token": ["", {}, "A valid token is required"],
    "a forged token": [`?token=${token({ user_id: 1 }, "x".repeat(40))}`, {}, "A valid token is required"],
    garbage: ["?token=garbage", {}, "A valid token is required"],
    "an expired token": [`?token=${expired}`, {}, "Token expired"],
    "tokens that disagree": [
      `?token=${token({ user_id: 1 })}`,
      { headers: { Authorization: `Bearer ${token({ user_id: 2 })}` } },
      "A valid token is required",
    ],
  };
  for (const [what, [query, options, error]] of Object.entries(refused)) {
    it(`refuses ${what} with 401, before the upgrade`, async (t) => {
      const gateway = await startTestGateway(t, settings);
      const { status, headers, body } = await refusedHandshake(`${gateway.url}/${query}`, options);
      assert.equal(status, 401);
      assert.equal(headers["www-authenticate"], "Bearer");
      assert.deepEqual(JSON.parse(body), { success: false, error });
      assert.equal(await gateway.metric("tidegate_connections_opened_total"), 0);
      assert.equal(await gateway.metric('tidegate_handshakes_total{status="401"}'), 1);
    });
  }
});

describe("Long tokens", () => {
  for (const kilobytes of [2, 4, 8, 9]) {
    it(`of ${kilobytes} KB are accepted in the header and in the address`, async (t) => {
      const gateway = await startTestGateway(t);
      const given = token({ user_id: 1, groups: "g".repeat(kilobytes * 768 - 120) }); // base64 makes 4 bytes of 3
      assert.ok(Math.abs(given.length - kilobytes * 1024) < 200, `${given.length}`);
      const byHeader = await connect(t, gateway.url, { headers: { Authorization: `Bearer ${given}` } });
      const byQuery = await connect(t, `${gateway.url}/?token=${given}`);
      assert.deepEqual([byHeader.frames[0]!.user_id, byQuery.frames[0]!.user_id], [1, 1]);
    });
  }

  it("beyond what a request may hold are refused with 431, and harm nobody", async (t) => {
    const gateway = await startTestGateway(t);
    const bystander = await connect(t, gateway.url);
    const client = await RawClient.connect(t, gateway.port);
    client.write(handshakeText({ headers: { Authorization: `Bearer ${"x".repeat(40_000)}` } }));
    assert.equal((await client.answer()).status, 431);
    await bystander.settled();
  });
});

describe("Tokens and the log", () => {
  it("never meet: accepted, refused, expired, conflicting or in the address", async (t) => {
    const gateway = await startTestGateway(t);
    const strict = await startTestGateway(t, { auth: { required: true } });
    const given = [
      token({ user_id: "accepted" }),
      token({ user_id: "forged" }, "x".repeat(40)),
      token({ user_id: "expired", exp: 1 }),
      "no-token-at-all-but-somebody-may-call-it-a-secret",
    ];
    for (const one of given) {
      for (const give of Object.values(places)) {
        const { query = "", options = {} } = give(one);
        const client = await connect(t, `${gateway.url}/?${query}`, options);
        await client.ask("authenticate", { token: one });
        if (one !== given[0]) await refusedHandshake(`${strict.url}/?${query}`, options);
      }
      await connect(t, `${gateway.url}/?token=${one}`, { headers: { Authorization: `Bearer ${given[0]}` } });
    }
    const lines = JSON.stringify([...gateway.logLines, ...strict.logLines]);
    assert.ok(lines.includes("handshake refused") && lines.includes("connection opened"), "the log is looked at");
    for (const one of given) {
      for (const part of one.split(".")) assert.equal(lines.includes(part), false, part);
    }
  });
});
