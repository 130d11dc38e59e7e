import assert from "node:assert/strict";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { connect, createServer } from "node:net";
import { text as readAll } from "node:stream/consumers";
import { after, afterEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type AdminServer, startAdmin } from "../../src/admin/admin-server.ts";
import { createLog } from "../../src/log/log.ts";
import { Counters } from "../../src/metrics/counters.ts";
import { Health } from "../../src/metrics/health.ts";
import { createRegistry } from "../../src/metrics/registry.ts";

const servers: AdminServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop();
});

async function startedAdmin({ host = "127.0.0.1", port = 0, text = async () => "metrics\n" } = {}) {
  const health = new Health();
  health.clear("start");
  const lines: string[] = [];
  const log = createLog({ level: "info", format: "json" }, { write: (line) => void lines.push(line) });
  const metrics = { contentType: "text/plain; version=0.0.4; charset=utf-8", text };
  const options = { host, port, metrics, health, publicPort: () => 9501, tls: false, version: "1.2.3", log };
  const server = await startAdmin(options);
  servers.push(server);
  return { server, health, lines, url: `http://127.0.0.1:${server.port}` };
}

/** A request with any method and any `Host`, which fetch does not allow. */
function ask(port: number, path: string, { method = "GET", host = "127.0.0.1", body = "" } = {}) {
  return new Promise<{ status: number; headers: IncomingHttpHeaders; body: string }>((resolve, reject) => {
    const headers = { Host: host, "Content-Length": body.length };
    const request = httpRequest({ host: "127.0.0.1", port, path, method, headers, agent: false });
    request.once("error", reject);
    request.once("response", async (response) => {
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: await readAll(response) });
    });
    request.end(body);
  });
}

describe("the admin port", () => {
  it("answers /metrics with the registry's text and content type", async () => {
    const { url } = await startedAdmin();
    const response = await fetch(`${url}/metrics`);
    assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert.equal(await response.text(), "metrics\n");
  });

  it("serves a real scrape, also to many who ask at once", async () => {
    const zero = () => 0;
    const off = (): 0 => 0;
    const connections = () => ({ json: 1, msgpack: 0 });
    const history = { historyChannels: zero, historyMessages: zero, historyBytes: zero };
    const calloutBreakers = () => ({ closed: 0, open: 0, half_open: 0 });
    const presence = { presenceMembers: zero, presenceConnections: () => ({}), calloutBreakers, revocations: zero };
    const gauges = { connections, ...history, ...presence, subscriptions: zero, draining: off, ready: off };
    const registry = createRegistry({ counters: new Counters(), gauges, version: "1.2.3", node: "a" });
    const { url } = await startedAdmin({ text: () => registry.text() });
    const scrape = async () => (await fetch(`${url}/metrics`)).text();
    for (const text of await Promise.all(Array.from({ length: 20 }, scrape)))
      assert.match(text, /^tidegate_connections\{format="json"\} 1$/m);
  });

  it("answers /healthz with 200 and ok, also when the node is not ready", async () => {
    const { url, health } = await startedAdmin();
    health.block("drain", "draining");
    const response = await fetch(`${url}/healthz`);
    assert.deepEqual([response.status, await response.text()], [200, "ok"]);
  });

  it("answers /readyz with 200 and ready, or with 503 and the reason", async () => {
    const { url, health } = await startedAdmin();
    const ready = await fetch(`${url}/readyz`);
    assert.deepEqual([ready.status, await ready.text()], [200, "ready"]);
    health.block("bus", "catching up");
    const blocked = await fetch(`${url}/readyz`);
    assert.deepEqual([blocked.status, await blocked.text()], [503, "catching up"]);
  });

  it("ignores a query", async () => {
    const { url } = await startedAdmin();
    assert.equal((await fetch(`${url}/healthz?probe=1`)).status, 200);
  });

  for (const path of ["/", "/chat", "/metrics", "/healthz", "/readyz"]) {
    it(`answers HEAD ${path} with the headers of GET and no body`, async () => {
      const { server } = await startedAdmin();
      const [get, head] = [await ask(server.port, path), await ask(server.port, path, { method: "HEAD" })];
      assert.deepEqual([head.status, head.body], [200, ""]);
      for (const name of ["content-type", "content-length", "cache-control"])
        assert.equal(head.headers[name], get.headers[name], name);
      assert.equal(Number(head.headers["content-length"]), Buffer.byteLength(get.body));
    });

    it(`refuses other methods on ${path} with 405 and says which are allowed`, async () => {
      const { server } = await startedAdmin();
      for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
        const { status, headers, body } = await ask(server.port, path, { method, body: "x".repeat(100_000) });
        assert.deepEqual([status, headers.allow], [405, "GET, HEAD"], method);
        assert.equal(JSON.parse(body).error, "Method not allowed");
      }
    });
  }

  it("answers any other path with 404, JSON, and the paths that there are", async () => {
    const { server } = await startedAdmin();
    for (const path of ["/metric", "/metrics/", "//", "/%2e%2e/etc/passwd", "/favicon.ico", `/${"x".repeat(8000)}`]) {
      const { status, headers, body } = await ask(server.port, path);
      assert.equal(status, 404, path);
      assert.equal(headers["content-type"], "application/json; charset=utf-8");
      assert.match(JSON.parse(body).hint, /\/metrics/);
    }
    assert.equal((await ask(server.port, "/v1/publish", { method: "POST" })).status, 404);
  });

  it("lets nothing be cached, sniffed, referred to or embedded", async () => {
    const { url } = await startedAdmin();
    for (const path of ["/", "/chat", "/console/style.css", "/metrics", "/healthz", "/nowhere"]) {
      const { headers } = await fetch(url + path);
      assert.equal(headers.get("cache-control"), "no-store");
      assert.equal(headers.get("x-content-type-options"), "nosniff");
      assert.equal(headers.get("referrer-policy"), "no-referrer");
      assert.equal(headers.get("cross-origin-resource-policy"), "same-origin");
    }
  });

  it("serves the console and the chat page, which may connect to the public port of their own host alone", async () => {
    const { url } = await startedAdmin();
    for (const path of ["/", "/chat"]) {
      const response = await fetch(url + path);
      assert.equal(response.headers.get("content-type"), "text/html; charset=utf-8");
      assert.match(await response.text(), /data-public-port="9501" data-tls="false"/);
      const policy = response.headers.get("content-security-policy") ?? "";
      assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self';/);
      assert.match(policy, /connect-src 'self' ws:\/\/127\.0\.0\.1:9501 wss:\/\/127\.0\.0\.1:9501;/);
      assert.equal(response.headers.get("x-frame-options"), "DENY");
    }
  });

  it("serves what the console loads, and to other methods than GET nothing", async () => {
    const { server } = await startedAdmin();
    const style = await ask(server.port, "/console/style.css");
    assert.deepEqual([style.status, style.headers["content-type"]], [200, "text/css; charset=utf-8"]);
    assert.equal((await ask(server.port, "/console/style.css", { method: "POST" })).status, 405);
    assert.equal((await ask(server.port, "/console/nothing.css")).status, 404);
  });

  it("answers a failing source with 500, logs why, and tells the client nothing", async () => {
    const failures = [() => Promise.reject(new Error("private detail")), () => assert.fail("private detail")];
    for (const text of failures) {
      const { url, lines } = await startedAdmin({ text });
      const response = await fetch(`${url}/metrics`);
      assert.equal(response.status, 500);
      assert.doesNotMatch(await response.text(), /private/);
      assert.match(lines.join(""), /"path":"\/metrics".*cannot answer an admin request/);
      assert.match(lines.join(""), /private detail/);
    }
  });

  it("survives clients that leave before the answer", async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let asked = 0;
    const { server, url } = await startedAdmin({
      text: async () => {
        asked += 1;
        await gate;
        return "late\n";
      },
    });
    const sockets = Array.from({ length: 10 }, () => {
      const socket = connect(server.port, "127.0.0.1");
      socket.write("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
      return socket;
    });
    while (asked < sockets.length) await sleep(5);
    for (const socket of sockets) socket.resetAndDestroy();
    await sleep(50);
    release();
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
  });

  it("survives bytes that are no HTTP", async () => {
    const { server, url } = await startedAdmin();
    const garbage = ["\0\0\0\0", "GET\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"];
    for (const bytes of garbage) {
      const socket = connect(server.port, "127.0.0.1");
      socket.on("error", () => {});
      socket.end(bytes);
      await new Promise((resolve) => socket.resume().once("close", resolve));
    }
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
  });

  it("stops more than once, and then takes no connection", async () => {
    const { server, url } = await startedAdmin();
    await fetch(`${url}/healthz`);
    server.stop();
    server.stop();
    await assert.rejects(fetch(`${url}/healthz`));
  });
});

describe("the Host that an admin request names", () => {
  it("must be an IP address, localhost or the configured name where the port is on loopback", async () => {
    const { server } = await startedAdmin();
    const port = server.port;
    for (const host of ["127.0.0.1", `127.0.0.1:${port}`, "localhost", `LOCALHOST:${port}`, "[::1]:1", "10.0.0.1"])
      assert.equal((await ask(port, "/metrics", { host })).status, 200, host);
    for (const host of ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:9502", "1.2.3", "[evil]"]) {
      const { status, body } = await ask(port, "/metrics", { host });
      assert.deepEqual([status, JSON.parse(body).error], [403, "Host not allowed"], host);
    }
  });

  it("is the operator's own choice where the port is bound to a network address", async () => {
    const { server } = await startedAdmin({ host: "0.0.0.0" });
    assert.equal((await ask(server.port, "/metrics", { host: "tidegate-0.tidegate.svc" })).status, 200);
  });

  it("cannot write into the page's policy", async () => {
    const { server } = await startedAdmin({ host: "0.0.0.0" });
    for (const path of ["/", "/chat"]) {
      const { headers } = await ask(server.port, path, { host: "x;script-src *" });
      assert.match(String(headers["content-security-policy"]), /connect-src 'self' ws: wss:; img-src/);
    }
  });
});

describe("an admin port that cannot be opened", () => {
  it("is refused with the address, the reason and what to do, when another server holds it", async () => {
    const other = createServer();
    after(() => other.close());
    const port = await new Promise<number>((resolve) => {
      other.listen(0, "127.0.0.1", () => resolve((other.address() as { port: number }).port));
    });
    await assert.rejects(startedAdmin({ port }), {
      name: "ListenError",
      code: "EADDRINUSE",
      message: `cannot listen on 127.0.0.1:${port}: the port is in use; stop the process that holds it (\`ss -ltnp\` names it) or configure another port`,
    });
  });

  it("is refused when another admin server holds it: it is never shared", async () => {
    const { server } = await startedAdmin();
    await assert.rejects(startedAdmin({ port: server.port }), { code: "EADDRINUSE" });
  });

  it("is refused when the machine has no such address", async () => {
    await assert.rejects(startedAdmin({ host: "192.0.2.1" }), {
      message:
        "cannot listen on 192.0.2.1:0: this machine does not have that address; configure one of its own, or 0.0.0.0 for all",
    });
  });
});
