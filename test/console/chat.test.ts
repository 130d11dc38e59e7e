import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { type AdminServer, startAdmin } from "../../src/admin/admin-server.ts";
import { createLog } from "../../src/log/log.ts";
import { Health } from "../../src/metrics/health.ts";
import { ensureCommand } from "../support/debian.ts";
import { startTestGateway } from "../support/gateway.ts";
import { FakeGateway } from "./fake-gateway.ts";

describe("The chat page in Chromium, and a gateway that fails on command", () => {
  let browser: Browser;
  let context: BrowserContext;
  let gateway: FakeGateway;
  let admin: AdminServer;
  const complaints: string[] = [];

  before(async () => {
    const executablePath = await ensureCommand("chromium", "chromium");
    const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"];
    browser = await chromium.launch({
      executablePath,
      args: ["--no-sandbox", "--disable-gpu", "--no-first-run", ...quiet],
    });
  });
  after(() => browser?.close());

  afterEach(async () => {
    await context.close();
    admin.stop();
    gateway.stop();
    assert.deepEqual(complaints.splice(0), []); // refused by the policy, or thrown
  });

  /** A tab on `channel`, connected. */
  async function openTab(channel = "", adminUrl = `http://127.0.0.1:${admin.port}`): Promise<Page> {
    const page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      if (/Content Security Policy/.test(message.text())) complaints.push(message.text());
    });
    await page.goto(`${adminUrl}/chat${channel && `#${channel}`}`);
    await page.getByText(/^Connected as/).waitFor();
    return page;
  }

  async function setUp(): Promise<void> {
    gateway = await FakeGateway.start();
    const [health, log] = [new Health(), createLog({ level: "silent", format: "json" })];
    const metrics = { contentType: "text/plain", text: async () => "" };
    const gatewayPart = { publicPort: () => gateway.port, tls: false, version: "1.2.3" };
    admin = await startAdmin({ host: "127.0.0.1", port: 0, metrics, health, log, ...gatewayPart });
    context = await browser.newContext();
  }

  const say = async (page: Page, text: string) => {
    await page.getByLabel("Message", { exact: true }).fill(text);
    await page.keyboard.press("Enter");
  };
  const texts = (page: Page) => page.locator(".message p").allTextContents();
  const arrived = (page: Page, text: string) => page.locator(".message", { hasText: text }).waitFor();
  const subscriptions = () => gateway.received.filter(({ action }) => action === "subscribe").map(({ data }) => data);

  it("lets two tabs talk, each one's own messages told apart by the connection id of its welcome", async () => {
    await setUp();
    const [one, two] = [await openTab(), await openTab()];
    await say(one, "hello from one");
    await arrived(two, "hello from one");
    await say(two, "hello from two");
    await arrived(one, "hello from two");
    for (const [page, own] of [
      [one, "hello from one"],
      [two, "hello from two"],
    ] as const)
      assert.deepEqual(await page.locator(".message.mine p").allTextContents(), [own]);
    assert.deepEqual(await one.locator(".message b").allTextContents(), ["You", "Connection 2"]);
  });

  it("talks to the real gateway as to the one of this test: history, own messages, errors", async (t) => {
    await setUp();
    const { adminUrl } = await startTestGateway(t, { channels: { "chat.>": { history: { size: 100, seconds: 60 } } } });
    const one = await openTab("chat.room.7", adminUrl);
    await say(one, "before you came");
    await arrived(one, "before you came");
    const two = await openTab("chat.room.7", adminUrl);
    await arrived(two, "before you came");
    await say(two, "hello from two");
    await arrived(one, "hello from two");
    assert.deepEqual(await two.locator(".message.mine p").allTextContents(), ["hello from two"]);
    await one.getByText("Delivered to 1 connection", { exact: true }).waitFor();
    await two.getByText("Delivered to 2 connections", { exact: true }).waitFor();
    await one.getByLabel("Channel").fill("private.user.somebody");
    await one.keyboard.press("Enter");
    await one.locator(".note.error", { hasText: "Not allowed to subscribe" }).waitFor();
  });

  it("asks for the last 20 messages of the channel that its address names, chat.room.1 without one", async () => {
    await setUp();
    await openTab();
    await openTab("news.sport");
    assert.deepEqual(
      subscriptions().map(({ channel, options }) => [channel, options?.history, options?.since]),
      [
        ["chat.room.1", 20, undefined],
        ["news.sport", 20, undefined],
      ],
    );
  });

  it("shows what it is sent as text, never as markup", async () => {
    await setUp();
    const page = await openTab();
    const markup = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
    gateway.publish("chat.room.1", 0, markup, { user_id: markup });
    gateway.publish("chat.room.1", 7, { markup });
    gateway.sendAll({ success: false, action: "error", error: markup, code: "internal" });
    await page.getByRole("log").getByText("onerror").nth(2).waitFor();
    assert.equal(await page.locator("#messages img, #messages script").count(), 0);
    assert.equal((await texts(page))[0], markup);
    assert.equal(JSON.parse((await texts(page))[1]!).markup, markup);
  });

  it("answers a ping with a pong", async () => {
    await setUp();
    const page = await openTab();
    gateway.sendAll({ action: "ping", time: 1_700_000_000 });
    gateway.publish("chat.room.1", 0, "after the ping");
    await arrived(page, "after the ping");
    assert.deepEqual(gateway.received.at(-1), { action: "pong" });
  });

  it("comes back by itself, asks for what it missed, and shows each message once", async () => {
    await setUp();
    const page = await openTab();
    gateway.publish("chat.room.1", 9, "before");
    await arrived(page, "before");
    await gateway.restartAfter(async () => {
      gateway.publish("chat.room.1", 9, "meanwhile");
      await page.getByText(/^Reconnecting/).waitFor();
    });
    await arrived(page, "meanwhile");
    assert.deepEqual(subscriptions()[1]?.options?.since, { offset: "0001", epoch: "e1" });
    assert.deepEqual(await texts(page), ["before", "meanwhile"]);
  });

  it("sends an unacknowledged message again under the same key, also one written while away", async () => {
    await setUp();
    const page = await openTab();
    gateway.answersMessages = false;
    await say(page, "in doubt");
    while (gateway.received.at(-1)?.action !== "message") await sleep(10);
    await gateway.restartAfter(async () => {
      await page.getByText(/^Reconnecting/).waitFor();
      await say(page, "written while away");
      gateway.answersMessages = true;
    });
    await arrived(page, "written while away");
    const sent = gateway.received.filter(({ action }) => action === "message").map(({ data }) => data);
    assert.deepEqual(
      sent.map(({ message }) => message),
      ["in doubt", "in doubt", "written while away"],
    );
    assert.equal(sent[0]?.key, sent[1]?.key);
    assert.notEqual(sent[1]?.key, sent[2]?.key);
  });

  it("stays away after a close of 4500 to 4999, until it is told to connect", async () => {
    await setUp();
    const page = await openTab();
    gateway.closeAll(4503, "disconnected by an operator");
    await page.getByText("Closed: disconnected by an operator").waitFor();
    await page.getByRole("button", { name: "Reconnect now" }).click();
    await page.getByText("Connected as 2").waitFor();
  });

  it("shows the server's errors, and a drain's reconnect is followed", async () => {
    await setUp();
    const page = await openTab();
    gateway.sendAll({
      success: false,
      action: "error",
      error: "Rate limit exceeded.",
      code: "rate_limit",
      retry_after: 60,
    });
    await page.locator(".note.error", { hasText: "Rate limit exceeded. Again in 60 s." }).waitFor();
    gateway.sendAll({ action: "reconnect", retry_in_ms: 0 });
    gateway.closeAll(1001);
    await page.getByText("Connected as 2").waitFor();
  });

  it("changes the channel from the keyboard, and refuses a name that is none", async () => {
    await setUp();
    const page = await openTab();
    gateway.publish("chat.room.1", 9, "in the first room");
    await arrived(page, "in the first room");
    await page.getByLabel("Channel").fill("not a channel");
    await page.keyboard.press("Enter");
    await page.getByLabel("Channel").fill("chat.room.2");
    await page.keyboard.press("Enter");
    await page.locator(".message").waitFor({ state: "detached" });
    await say(page, "in the second room");
    await arrived(page, "in the second room");
    assert.deepEqual(await texts(page), ["in the second room"]);
    assert.equal(await page.getByRole("link", { name: "Open a second tab" }).getAttribute("href"), "#chat.room.2");
    assert.deepEqual(
      gateway.received.map(({ action, data }) => [action, data.channel]),
      [
        ["subscribe", "chat.room.1"],
        ["unsubscribe", "chat.room.1"],
        ["subscribe", "chat.room.2"],
        ["message", "chat.room.2"],
      ],
    );
  });

  it("fits a screen of 320 pixels without scrolling sideways", async () => {
    await setUp();
    const page = await openTab();
    await page.setViewportSize({ width: 320, height: 500 });
    gateway.publish("chat.room.1", 4_503_599_627_370_497, "long".repeat(100));
    await arrived(page, "long");
    assert.equal(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
  });
});
