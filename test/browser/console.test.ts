import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import { connect } from "../support/client.ts";
import { eventually, startRedis } from "../support/redis.ts";
import { token } from "../support/tokens.ts";
import { fieldOf, isTooWide, startBrowser, startConsole } from "./console-page.ts";

const ready = (page: Page): Promise<void> => page.locator('#status[data-state="good"]').waitFor();
const frame = (page: Page, text: string) => page.locator("#frames li", { hasText: text });

describe("The console in Chromium", { concurrency: 2 }, () => {
  let browser: Browser;
  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser?.close());

  it("shows the connections, channels and messages that there are, and draws them", async (t) => {
    const { gateway, open } = await startConsole(t, browser);
    const clients = await Promise.all([1, 2, 3].map(() => connect(t, gateway.url)));
    for (const client of clients) await client.subscribe("chat.counted");
    const page = await open();
    await page.locator(".chart", { hasText: "Connections" }).locator("b", { hasText: /^3$/ }).waitFor();
    for (let n = 0; n < 10; n += 1) await clients[0]!.ask("message", { channel: "chat.counted", message: n });

    const total = (name: string): Promise<number> => fieldOf(page, "#totals", name).then(Number);
    const isCounted = async (): Promise<boolean> =>
      (await total("Publications")) === 10 &&
      (await total("Deliveries")) === 30 &&
      // 13 and 46, and maybe a heartbeat.
      (await total("Frames in")) === (await gateway.metric("tidegate_frames_received_total")) &&
      (await total("Frames out")) === (await gateway.metric("tidegate_frames_sent_total"));
    await eventually(isCounted, "the totals of what was sent");
    assert.ok((await total("Frames in")) >= 13 && (await total("Frames out")) >= 46);
    const latency = page.locator(".chart", { hasText: "Publish to delivery" }).locator("b").first();
    assert.match((await latency.textContent()) ?? "", /^[\d.]+ (µs|ms)$/);
    assert.equal(await page.locator(".chart canvas").count(), 4);
    const processes = page.locator("#processes tbody tr");
    assert.equal(await processes.count(), 1);
    assert.match((await processes.textContent()) ?? "", new RegExp(`:${process.pid}`));
    assert.equal(await fieldOf(page, "#log-figures", "Where"), "in memory");

    await page.getByRole("link", { name: "Channels", exact: true }).click();
    const row = page.locator("#channels tbody tr", { hasText: "chat.counted" });
    assert.equal(await row.locator("td").first().textContent(), "3");
    await page.getByLabel("Search channels").fill("nothing like it");
    await page.getByText("Nothing matches.").waitFor();
    await page.getByLabel("Search channels").fill("CHAT.c");
    await row.getByRole("link").click();
    await page.locator("#channel-messages li").nth(9).waitFor();
    assert.equal(await fieldOf(page, "#channel-detail dl", "Subscribers"), "3");
  });

  it("finds a connection and ends it, all by keyboard, and the client is told the reason", async (t) => {
    const { gateway, open } = await startConsole(t, browser);
    const client = await connect(t, `${gateway.url}/?token=${token({ user_id: "ann", role: "editor" })}`);
    const other = await connect(t, `${gateway.url}/?token=${token({ user_id: "bob" })}`);
    const page = await open();
    await ready(page);
    const names: string[] = [];
    for (let tabs = 0; tabs < 5; tabs += 1) {
      await page.keyboard.press("Tab");
      names.push(await page.evaluate<string>("document.activeElement.textContent.trim()"));
    }
    assert.deepEqual(names, ["Skip to the content", "Tidegate", "Overview", "Channels", "Connections"]);
    assert.notEqual(await page.evaluate("getComputedStyle(document.activeElement).outlineStyle"), "none");
    await page.keyboard.press("Enter");
    await page.locator("#view-connections h1:focus").first().waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.type("ann");
    const rows = page.locator("#connections tbody tr");
    await eventually(async () => (await rows.count()) === 1, "one connection of ann");
    await page.keyboard.press("Tab"); // the button
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: `Connection ${client.connectionId}` }).waitFor();
    await eventually(async () => (await fieldOf(page, "#connection-fields", "Role")) === "editor", "its role");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.type("time to go");
    await page.keyboard.press("Enter");
    assert.deepEqual(await client.close(), { code: 4503, reason: "time to go" });
    await page.getByText("This connection is closed.").waitFor();
    assert.equal(await page.locator("#connection-cards").isVisible(), true, "what it was");
    await page.evaluate(`location.hash = "#/connections/${client.connectionId! + 1000}"`);
    await page.getByText("This connection is closed.").waitFor();
    assert.equal(await page.locator("#connection-cards").isVisible(), false, "nothing is known of it");
    await other.settled();
  });

  it("has a playground that connects with a token it made, subscribes, publishes, and shows each frame", async (t) => {
    const { gateway, open } = await startConsole(t, browser);
    const client = await connect(t, gateway.url);
    await client.subscribe("chat.play");
    const page = await open("playground/chat.play");
    await page.getByText("Make a token").click();
    await page.getByLabel("User", { exact: true }).fill("ann");
    await page.getByRole("button", { name: "Make it" }).click();
    await page.getByText("It is in the field above").waitFor();
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await frame(page, '"user_id":"ann"').waitFor();
    await page.getByRole("button", { name: "Subscribe", exact: true }).click();
    await frame(page, '"action":"subscribe","channel":"chat.play"').waitFor();
    await page.getByLabel("Message: JSON, or any text").fill('{"from": "the playground"}');
    await page.keyboard.press("Enter");
    const heard = await client.next({ action: "message" });
    assert.deepEqual([heard.message, heard.user_id], [{ from: "the playground" }, "ann"]);
    await client.ask("message", { channel: "chat.play", message: "and back" });
    await frame(page, '"message":"and back"').waitFor();
    await page.getByText("Send a raw frame").click();
    await page.getByLabel("Frame", { exact: true }).fill("no JSON");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await frame(page, '"code":"invalid_message"').waitFor();
    await page.getByRole("button", { name: "Disconnect", exact: true }).click();
    await frame(page, "closed with 1000").waitFor();
  });

  it("asks for the API key where there are keys, keeps it for the tab alone, and forgets it when told", async (t) => {
    const settings = { api: { keys: ["a-key-of-the-tests-0001"] } };
    const { open } = await startConsole(t, browser, { settings, expected: /status of 401/ });
    const page = await open();
    await page.getByRole("textbox", { name: "API key" }).fill("a-key-of-the-tests-0002");
    await page.keyboard.press("Enter");
    await page.getByText("The gateway does not know this key.").waitFor();
    await page.keyboard.press("Escape"); // there is nothing behind it to see
    await page.getByRole("textbox", { name: "API key" }).fill("a-key-of-the-tests-0001");
    await page.keyboard.press("Enter");
    await ready(page);
    await page.reload();
    await ready(page);
    assert.equal(await page.evaluate("localStorage.length + document.cookie.length"), 0);
    assert.doesNotMatch(page.url(), /key/);
    await page.getByRole("button", { name: "Forget the API key" }).click();
    await page.getByRole("dialog", { name: "API key" }).waitFor();
  });

  it("shows markup in users, roles, messages and frames as text, wherever it comes up", async (t) => {
    const markup = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
    const settings = { channels: { "presence.>": { history: { size: 10, seconds: 60 } } } };
    const { gateway, open } = await startConsole(t, browser, { settings });
    const hostile = token({ user_id: markup, role: `role ${markup}` });
    const client = await connect(t, `${gateway.url}/?token=${hostile}`);
    await client.subscribe("presence.lobby");
    const page = await open("playground/presence.lobby");
    const go = (view: string) => page.evaluate(`location.hash = ${JSON.stringify(`#/${view}`)}`);
    const shows = (place: string, text: string) => page.locator(place, { hasText: text }).first().waitFor();
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await frame(page, '"welcome"').waitFor();
    await page.getByRole("button", { name: "Subscribe", exact: true }).click();
    await frame(page, '"action":"subscribe"').nth(1).waitFor();
    await client.ask("message", { channel: "presence.lobby", message: { markup, [markup]: markup } });
    await shows("#frames", JSON.stringify({ markup }).slice(1, -1));
    await go("connections");
    await shows("#connections", markup);
    await go(`connections/${client.connectionId}`);
    await shows("#connection-fields", `role ${markup}`);
    await go("channels/presence.lobby");
    await shows("#members", `role ${markup}`);
    await shows("#channel-messages", JSON.stringify(markup));
    for (const view of ["channels", "connections", "playground"]) {
      await go(`${view}/${encodeURIComponent(markup)}`);
      await page.locator(`#view-${view}`).waitFor();
    }
    assert.equal(await page.locator("main img, main script").count(), 0);
    assert.doesNotMatch(await page.title(), /^owned/);
  });

  it("says what is the matter with Redis while it is away, and goes on counting", async (t) => {
    const redis = await startRedis(t);
    const { gateway, open } = await startConsole(t, browser, {
      settings: { redis: { enabled: true, url: redis.url } },
    });
    const page = await open();
    await eventually(async () => (await fieldOf(page, "#log-figures", "Lease")) === "held", "a lease");
    assert.equal(await fieldOf(page, "#log-figures", "Where"), "Redis");
    const onItsWay = page.locator(".chart", { hasText: "On its way through Redis" });
    await onItsWay.locator("b", { hasText: /s$/ }).waitFor();
    assert.equal(await page.locator(".chart canvas").count(), 6);
    await ready(page);
    await redis.stop("SIGKILL");
    await page.locator("#status", { hasText: "Not ready: Redis: " }).waitFor();
    await connect(t, gateway.url);
    const connections = page.locator(".chart", { hasText: "Connections" }).locator("b", { hasText: /^1$/ });
    await connections.waitFor();
  });

  it("is two clicks away from a chat in two tabs", async (t) => {
    const { open } = await startConsole(t, browser);
    const page = await open();
    await page.getByRole("link", { name: "Open the chat" }).click();
    const [second] = await Promise.all([
      page.waitForEvent("popup"),
      page.getByRole("link", { name: "Open a second tab" }).click(),
    ]);
    await second.getByText(/^Connected as/).waitFor();
    await page.getByLabel("Message", { exact: true }).fill("Hello from the first tab");
    await page.keyboard.press("Enter");
    await second.locator(".message", { hasText: "Hello from the first tab" }).waitFor();
  });

  it("fits a phone in every view, in the dark too, and its code can be copied", async (t) => {
    const phone = { viewport: { width: 360, height: 640 }, colorScheme: "dark" } as const;
    const permissions = ["clipboard-read", "clipboard-write"];
    const { gateway, open } = await startConsole(t, browser, { ...phone, permissions });
    const client = await connect(t, gateway.url);
    await client.subscribe(`chat.${"long".repeat(45)}`);
    const page = await open();
    await ready(page);
    assert.equal(await isTooWide(page), false, "overview");
    for (const name of ["Channels", "Connections", "Playground", "Code"]) {
      await page.getByRole("link", { name, exact: true }).click();
      await page.getByRole("heading", { name, exact: true, level: 1 }).waitFor();
      if (name === "Channels") await page.locator("#channels tbody tr").waitFor();
      if (name === "Connections") await page.locator("#connections tbody tr").waitFor();
      assert.equal(await isTooWide(page), false, name);
    }
    const parts = {
      page: `${gateway.adminUrl}/tidegate.min.js`,
      module: `createClient("${gateway.url}")`,
      react: "useChannel",
      curl: `${gateway.adminUrl}/api/v1/publish`,
    };
    for (const [name, part] of Object.entries(parts)) {
      await page.locator(`#copy-${name}`).click();
      await page.locator(`#copy-${name}`, { hasText: "Copied" }).waitFor();
      assert.ok((await page.evaluate<string>("navigator.clipboard.readText()")).includes(part), part);
    }
    await page.goto(`${gateway.adminUrl}/#/connections/${client.connectionId}`);
    await page.locator("#connection-channels a").waitFor();
    assert.equal(await isTooWide(page), false, "a connection");
    await page.goto(`${gateway.adminUrl}/api`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    assert.equal(await isTooWide(page), false, "the server API");
    await page.getByRole("link", { name: "The console" }).click();
    await ready(page);
  });
});
