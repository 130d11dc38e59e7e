/** The console in Chromium, for tests: pages that are watched, so that nothing goes wrong or out unseen. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { ensureCommand } from "../support/debian.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";

/** A browser that fetches nothing but our pages. */
export async function startBrowser(): Promise<Browser> {
  const quiet = ["quic", "gpu", "background-networking", "component-update", "sync"].map((what) => `--disable-${what}`);
  return chromium.launch({
    executablePath: await ensureCommand("chromium", "chromium"),
    args: ["--headless", "--no-sandbox", "--no-first-run", ...quiet],
  });
}

export interface ConsoleOptions extends BrowserContextOptions {
  /** Configuration of the gateway. */
  readonly settings?: Record<string, unknown>;
  /** Faults that the test is about, and that the browser reports by itself. */
  readonly expected?: RegExp;
}

export interface ConsoleScene {
  readonly gateway: TestGateway;
  /** Opens the console; `view`: what stands behind the `#/` of its address. */
  open(view?: string): Promise<Page>;
}

/**
 * Starts a gateway for its console. When the test ends, its pages have reported no error and nothing that their policy
 * forbids, and have asked nobody but the gateway.
 */
export async function startConsole(
  t: TestContext,
  browser: Browser,
  { settings, expected, ...options }: ConsoleOptions = {},
): Promise<ConsoleScene> {
  const context = await browser.newContext(options);
  const faults: string[] = [];
  const asked = new Set<string>();
  context.on("page", (page) => {
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("console", (message) => {
      if (message.type() !== "error" && message.type() !== "warning") return;
      if (expected?.test(message.text()) !== true) faults.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith("data:")) asked.add(new URL(request.url()).origin);
    });
    page.on("websocket", (socket) => asked.add(new URL(socket.url()).origin));
  });
  await context.exposeFunction("reportViolation", (what: string) => faults.push(what));
  await context.addInitScript(
    `addEventListener("securitypolicyviolation", (event) =>
      reportViolation(event.violatedDirective + " " + event.blockedURI + " " + event.sample));`,
  );
  // Before the gateway's own clean-up: pages that outlive it complain, and rightly so.
  t.after(async () => {
    await context.close();
    assert.deepEqual(faults, []);
    const others = [...asked].filter((origin) => origin !== gateway.adminUrl && origin !== gateway.url);
    assert.deepEqual(others, []);
  });
  const gateway = await startTestGateway(t, settings);
  return {
    gateway,
    async open(view) {
      const page = await context.newPage();
      await page.goto(`${gateway.adminUrl}/${view === undefined ? "" : `#/${view}`}`);
      return page;
    },
  };
}

/** The value beside a name in a list of names and values. */
export async function fieldOf(page: Page, list: string, name: string): Promise<string> {
  const field = page.locator(`${list} > div`, { has: page.locator("dt", { hasText: new RegExp(`^${name}$`) }) });
  return (await field.locator("dd").textContent()) ?? "";
}

/** Whether the page can be scrolled sideways. */
export const isTooWide = (page: Page): Promise<boolean> =>
  page.evaluate<boolean>("document.documentElement.scrollWidth > innerWidth");
