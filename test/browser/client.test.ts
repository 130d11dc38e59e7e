/** The client in Chromium, in pages of a site of their own. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { bundle, scriptBuild } from "../client/bundle.ts";
import { until } from "../support/child.ts";
import { ensureCommand } from "../support/debian.ts";
import { startTestGateway } from "../support/gateway.ts";
import { startNodeProcess } from "../support/node-process.ts";
import { startRedis } from "../support/redis.ts";
import { token } from "../support/tokens.ts";

const example = readFileSync(new URL("../client/browser-example.html", import.meta.url), "utf8");
/** A page that has the client, and does nothing by itself. */
const blank = `<meta charset="utf-8"><div id="root"></div><script src="tidegate.min.js"></script>`;

describe("The client in Chromium", () => {
  let browser: Browser;
  let site: Server;
  let siteUrl: string;
  const pages = new Map<string, string>();
  let issueToken = (): string => "";

  before(async () => {
    pages.set("/tidegate.min.js", await scriptBuild());
    pages.set("/react.js", await bundle("test/react/strict-page.tsx", { jsx: "automatic", format: "iife" }));
    pages.set("/blank.html", blank);
    pages.set("/react.html", `${blank}<script src="react.js"></script>`);
    site = createServer((request, response) => {
      const path = request.url ?? "";
      const isScript = path.endsWith(".js");
      response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html; charset=utf-8");
      response.end(path === "/token" ? issueToken() : (pages.get(path) ?? ""));
    });
    await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
    siteUrl = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
    const quiet = ["quic", "gpu", "background-networking", "component-update", "sync"].map(
      (what) => `--disable-${what}`,
    );
    browser = await chromium.launch({
      executablePath: await ensureCommand("chromium", "chromium"),
      args: ["--headless", "--no-sandbox", "--no-first-run", ...quiet],
    });
  });
  after(async () => {
    await browser?.close();
    site.close();
  });

  async function open(context: BrowserContext, path: string): Promise<Page> {
    const page = await context.newPage();
    page.on("pageerror", (error) => assert.fail(error));
    await page.goto(`${siteUrl}${path}`);
    return page;
  }

  /** Makes `window.client`, a listener that fills `window.values`, and a list of gaps. */
  const listen = (page: Page, url: string, options: object = {}): Promise<void> =>
    page.evaluate(
      `(async () => {
        const options = ${JSON.stringify(options)};
        if (options.token) options.token = () => fetch("/token").then((response) => response.text());
        client = Tidegate.createClient(${JSON.stringify(url)}, options);
        values = []; gaps = [];
        room = client.subscribe("chat.room", ({ message }) => values.push(message));
        room.on("gap", (gap) => gaps.push(gap));
        await room.ready;
      })()`,
    );
  const valuesOf = (page: Page): Promise<number[]> => page.evaluate("values");
  const lengthReaches = (page: Page, count: number): Promise<void> =>
    until(
      async () => (await valuesOf(page)).length >= count,
      () => `not ${count} values`,
    );

  it("lets two tabs chat by the README's page, and shows markup in messages and names as text", async (t) => {
    const gateway = await startTestGateway(t);
    const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
    const name = token({ user_id: `<b onclick="1">Ann</b>` });
    pages.set(
      "/ann.html",
      example.replace('"ws://localhost:9501"', JSON.stringify(gateway.url).concat(`, { token: "${name}" }`)),
    );
    pages.set("/ben.html", example.replace("ws://localhost:9501", gateway.url));
    const context = await browser.newContext();
    t.after(() => context.close());
    const [ann, ben] = [await open(context, "/ann.html"), await open(context, "/ben.html")];
    const say = async (page: Page, text: string): Promise<void> => {
      await page.locator("#text").fill(text);
      await page.locator("#text").press("Enter");
    };
    await say(ann, hostile);
    await ben.locator("#messages li", { hasText: hostile }).waitFor();
    await say(ben, "Hello Ann");
    await ann.locator("#messages li", { hasText: "Hello Ann" }).waitFor();
    assert.equal(await ben.locator("#messages li").first().textContent(), `<b onclick="1">Ann</b>: ${hostile}`);
    assert.equal(await ben.locator("#messages li *, #messages script").count(), 0);
    assert.notEqual(await ben.title(), "owned");
    assert.deepEqual([await ann.locator("#messages li").count(), await ben.locator("#messages li").count()], [2, 2]);
  });

  it("misses and doubles nothing when the gateway is killed and started again, its log being in Redis", async (t) => {
    const redis = await startRedis(t);
    const node = await startNodeProcess(t, {
      redis: { enabled: true, port: redis.port },
      channels: { "chat.>": { history: { size: 5000, seconds: 60 } } },
    });
    const url = `ws://127.0.0.1:${node.port}`;
    const context = await browser.newContext();
    t.after(() => context.close());
    const [ann, ben] = [await open(context, "/blank.html"), await open(context, "/blank.html")];
    for (const page of [ann, ben]) await listen(page, url, { backoffMinMs: 100, backoffMaxMs: 500 });
    await ann.evaluate(
      `acknowledged = []; next = 0;
       publishing = setInterval(() => { const n = next++; room.publish(n).then(() => acknowledged.push(n)); }, 20);`,
    );
    await lengthReaches(ben, 10);
    await node.child.kill("SIGKILL");
    await node.start();
    const back = (await valuesOf(ben)).length + 30;
    await lengthReaches(ben, back);
    const count = (await ann.evaluate("clearInterval(publishing); next")) as number;
    await until(
      async () => ((await ann.evaluate("acknowledged.length")) as number) === count,
      () => `not all of ${count} acknowledged`,
    );
    for (const page of [ann, ben]) await lengthReaches(page, count);
    const [toAnn, toBen] = [await valuesOf(ann), await valuesOf(ben)];
    assert.deepEqual(toBen, toAnn, "both in one order");
    assert.deepEqual(
      [...toBen].sort((a, b) => a - b),
      [...Array(count).keys()],
      "each once",
    );
    for (const page of [ann, ben]) {
      assert.deepEqual(await page.evaluate("gaps"), []);
      assert.equal(await page.evaluate("client.counters.reconnections"), 1);
    }
  });

  it("notices that the network is gone, and recovers when it is back", async (t) => {
    const gateway = await startTestGateway(t);
    const [there, here] = [await browser.newContext(), await browser.newContext()];
    t.after(() => Promise.all([there.close(), here.close()]));
    const [ann, ben] = [await open(there, "/blank.html"), await open(here, "/blank.html")];
    for (const page of [ann, ben]) await listen(page, gateway.url);
    await ann.evaluate("room.publish(1)");
    await lengthReaches(ben, 1);
    await there.setOffline(true);
    await ann.evaluate("void room.publish(3)");
    await ben.evaluate("room.publish(2)");
    await until(
      async () => (await ann.evaluate("client.state")) === "waiting",
      () => "still connected",
    );
    await there.setOffline(false);
    for (const page of [ann, ben]) await lengthReaches(page, 3);
    assert.deepEqual(
      [await valuesOf(ann), await valuesOf(ben)],
      [
        [1, 2, 3],
        [1, 2, 3],
      ],
    );
    assert.deepEqual(await ann.evaluate("[gaps.length, client.counters.reconnections]"), [0, 1]);
  });

  it("shows a fresh token before its own ends, and stays connected", async (t) => {
    const gateway = await startTestGateway(t, { auth: { expiringNoticeSeconds: 10 } });
    let issued = 0;
    issueToken = () => {
      issued += 1;
      return token({ user_id: 7, exp: Math.floor(Date.now() / 1000) + (issued === 1 ? 5 : 3600) });
    };
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await open(context, "/blank.html");
    await listen(page, gateway.url, { token: true });
    await until(
      async () => issued === 2 && (await gateway.metric('tidegate_authentications_total{result="ok"}')) > 0,
      () => `${issued} tokens`,
    );
    assert.deepEqual(await page.evaluate("[client.state, client.welcome.user_id, client.counters.errors]"), [
      "connected",
      7,
      0,
    ]);
    assert.equal(await gateway.metric('tidegate_connections{format="json"}'), 1);
  });

  it("has one connection and one subscription a channel in React's strict mode, and none once unmounted", async (t) => {
    const gateway = await startTestGateway(t);
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await open(context, "/react.html");
    const hostile = `<img src=x onerror="document.title='owned'">`;
    const name = token({ user_id: "<i>Ann</i>" });
    await page.evaluate(`start(${JSON.stringify(gateway.url)}, { token: ${JSON.stringify(name)} })`);
    await page.getByText("connected, 1 here: <i>Ann</i>").waitFor();
    await page.locator("input:enabled[type=submit]").waitFor();
    await page.locator("input[name=text]").fill(hostile);
    await page.locator("input[name=text]").press("Enter");
    await page.locator("p", { hasText: hostile }).waitFor();
    assert.equal(await page.locator("p", { hasText: hostile }).count(), 1);
    assert.equal(await page.locator("p", { hasText: hostile }).textContent(), `<i>Ann</i>: ${hostile}`);
    assert.equal(await page.locator("input[name=text]").inputValue(), "");
    assert.equal(await page.locator("img, i").count(), 0);
    await fetch(`${gateway.adminUrl}/api/v1/publish`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ channel: "chat.room.1", message: { any: ["JSON"] } }),
    });
    await page.locator("p", { hasText: '0: {"any":["JSON"]}' }).waitFor();
    assert.equal(await gateway.metric("tidegate_subscriptions"), 2);
    assert.equal(await gateway.metric('tidegate_connections{format="json"}'), 1);
    assert.equal(await gateway.metric('tidegate_messages_total{action="subscribe"}'), 2);
    await page.evaluate("unmount()");
    await until(
      async () => (await gateway.metric('tidegate_connections{format="json"}')) === 0,
      () => "still connected",
    );
  });
});
