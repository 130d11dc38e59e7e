import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { type Browser, chromium, type Page } from "playwright-core";
import { freePort } from "../support/child.ts";
import { ensureCommand } from "../support/debian.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";

/** A browser that fetches nothing but our pages. */
async function startBrowser(t: TestContext): Promise<Browser> {
  const quiet = ["quic", "gpu", "background-networking", "component-update", "sync"].map((what) => `--disable-${what}`);
  const browser = await chromium.launch({
    executablePath: await ensureCommand("chromium", "chromium"),
    args: ["--headless", "--no-sandbox", "--no-first-run", ...quiet],
  });
  t.after(() => browser.close());
  return browser;
}

/** A tab with the chat page, connected. `faults` gets what goes wrong in its script, or is forbidden by its policy. */
async function openTab(
  browser: Browser,
  gateway: TestGateway,
  faults: string[],
  channel = "chat.room.1",
): Promise<Page> {
  const page = await browser.newPage();
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("WebSocket connection to"))
      faults.push(message.text());
  });
  await page.goto(`${gateway.adminUrl}/chat#${channel}`);
  await connected(page);
  return page;
}

const connected = (page: Page): Promise<void> => page.locator('#status[data-state="open"]').waitFor();
const disconnected = (page: Page): Promise<void> => page.locator('#status[data-state="waiting"]').waitFor();

async function say(page: Page, text: string): Promise<void> {
  await page.locator("#text").fill(text);
  await page.locator("#text").press("Enter");
}

/** Waits until `page` shows the message, and checks who is named as its author. */
async function shows(page: Page, text: string, isOwn: boolean): Promise<void> {
  const message = page.locator("#messages .message", { hasText: text });
  await message.waitFor();
  assert.equal(await message.count(), 1, `"${text}" is shown once`);
  const author = await message.locator("b").textContent();
  assert.equal(author === "You", isOwn, `"${text}" by ${author}`);
}

describe("The chat page in Chromium", () => {
  it("lets two tabs chat, and both come back and chat on after the gateway has restarted on its ports", async (t) => {
    const browser = await startBrowser(t);
    const faults: string[] = [];
    const ports = { port: await freePort(), adminPort: await freePort() };
    const first = await startTestGateway(t, ports);
    const [ann, bob] = [await openTab(browser, first, faults), await openTab(browser, first, faults)];
    await say(ann, "Hello from Ann");
    await shows(ann, "Hello from Ann", true);
    await shows(bob, "Hello from Ann", false);
    await say(bob, "Hello from Bob");
    await shows(bob, "Hello from Bob", true);
    await shows(ann, "Hello from Bob", false);

    await first.stop();
    for (const page of [ann, bob]) await disconnected(page);
    await say(ann, "Written while nobody was there");
    await startTestGateway(t, ports);
    for (const page of [ann, bob]) await connected(page);
    await shows(ann, "Written while nobody was there", true);
    await say(bob, "Back again");
    await shows(bob, "Back again", true);
    await shows(ann, "Back again", false);
    await say(ann, "Me too");
    await shows(bob, "Me too", false);
    assert.deepEqual(faults, []);
  });

  it("shows what others write as text, whatever it is", async (t) => {
    const browser = await startBrowser(t);
    const faults: string[] = [];
    const gateway = await startTestGateway(t);
    const [ann, bob] = [await openTab(browser, gateway, faults), await openTab(browser, gateway, faults)];
    const hostile = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;
    await say(ann, hostile);
    await shows(bob, hostile, false);
    assert.equal(await bob.locator("#messages img, #messages script").count(), 0);
    assert.equal(await bob.title(), "chat.room.1 · Tidegate chat");
    assert.deepEqual(faults, []);
  });

  it("keeps the channels apart, and shows who comes later what was said before", async (t) => {
    const browser = await startBrowser(t);
    const faults: string[] = [];
    const gateway = await startTestGateway(t);
    const [here, there] = [
      await openTab(browser, gateway, faults, "chat.here"),
      await openTab(browser, gateway, faults, "chat.there"),
    ];
    await say(here, "only here");
    await shows(here, "only here", true);
    await say(there, "only there");
    await shows(there, "only there", true);
    await shows(await openTab(browser, gateway, faults, "chat.here"), "only here", false);
    assert.equal(await there.locator("#messages .message").count(), 1);
    assert.deepEqual(faults, []);
  });
});
