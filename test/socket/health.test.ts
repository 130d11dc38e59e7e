import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startTestGateway } from "../support/gateway.ts";
import { RawClient } from "./raw-client.ts";

const bodies = { "/healthz": "ok", "/readyz": "ready" };

describe("Health on the public port", () => {
  for (const [path, expected] of Object.entries(bodies)) {
    it(`GET ${path} is 200 with "${expected}"`, async (t) => {
      const gateway = await startTestGateway(t);
      const response = await fetch(`http://127.0.0.1:${gateway.port}${path}`);
      assert.equal(response.status, 200);
      assert.equal(response.headers.get("cache-control"), "no-store");
      assert.equal(await response.text(), expected);
    });

    it(`HEAD ${path} is 200 with the length of the body and without it`, async (t) => {
      const gateway = await startTestGateway(t);
      const client = await RawClient.connect(t, gateway.port);
      client.write(`HEAD ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      const { status, headers } = await client.answer(true);
      assert.equal(status, 200);
      assert.equal(headers["content-length"], String(expected.length));
      await client.over(); // closed, as every answer here: see the PROXY protocol
      assert.equal(client.unread.length, 0);
    });

    it(`a query after ${path} changes nothing`, async (t) => {
      const gateway = await startTestGateway(t);
      assert.equal((await fetch(`http://127.0.0.1:${gateway.port}${path}?probe=1`)).status, 200);
    });

    it(`POST ${path} is no health check`, async (t) => {
      const gateway = await startTestGateway(t);
      assert.equal((await fetch(`http://127.0.0.1:${gateway.port}${path}`, { method: "POST", body: "x" })).status, 426);
    });
  }

  it("needs no token where connections do", async (t) => {
    const gateway = await startTestGateway(t, { auth: { required: true }, origins: ["https://example.com"] });
    for (const path of Object.keys(bodies)) {
      const response = await fetch(`http://127.0.0.1:${gateway.port}${path}`, {
        headers: { Origin: "https://other.com" },
      });
      assert.equal(response.status, 200);
    }
  });

  it("answers while the node is full", async (t) => {
    const gateway = await startTestGateway(t, { maxConnections: 1 });
    await RawClient.open(t, gateway.port);
    assert.equal((await fetch(`http://127.0.0.1:${gateway.port}/healthz`)).status, 200);
  });

  it("answers a client that has closed its side after asking", async (t) => {
    const gateway = await startTestGateway(t);
    const client = await RawClient.connect(t, gateway.port);
    client.socket.end("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert.equal((await client.answer()).body, "ready");
  });

  it("survives clients that do not wait for the answer", async (t) => {
    const gateway = await startTestGateway(t);
    for (let i = 0; i < 50; i += 1) {
      const client = await RawClient.connect(t, gateway.port);
      client.write(`${i % 2 === 0 ? "HEAD" : "GET"} /readyz HTTP/1.1\r\nHost: x\r\n\r\n`);
      if (i % 3 === 0) client.socket.resetAndDestroy();
      else client.socket.destroy();
    }
    assert.equal((await fetch(`http://127.0.0.1:${gateway.port}/readyz`)).status, 200);
  });
});
