/** The code that the console offers, copied from it and run as it stands. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it, type TestContext } from "node:test";
import { promisify } from "node:util";
import type { Browser, Page } from "playwright-core";
import { bundle } from "../client/bundle.ts";
import { until } from "../support/child.ts";
import { ensureCommand } from "../support/debian.ts";
import { startBrowser, startConsole } from "./console-page.ts";

const key = "a-key-of-the-tests-0001";

describe("The code that the console offers", () => {
  let browser: Browser;
  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser?.close());

  it("runs: a page, a module and a React component hear each other, and what curl publishes", async (t) => {
    const { gateway, open } = await startConsole(t, browser, {
      settings: { api: { keys: [key] } },
      expected: /status of 401/,
    });
    const console = await open("code");
    await console.getByRole("textbox", { name: "API key" }).fill(key);
    await console.keyboard.press("Enter");
    await console.locator('#status[data-state="good"]').waitFor();
    await console.locator("#snippet-channel").fill("chat.snippets");
    const codeOf = async (name: string): Promise<string> => (await console.locator(`#snippet-${name}`).textContent())!;

    const site = await startSite(t, {
      "/page.html": await codeOf("page"),
      "/module.html": '<meta charset="utf-8"><script type="module" src="module.js"></script>',
      "/module.js": await bundled(await codeOf("module"), "esm"),
      "/react.html": '<meta charset="utf-8"><div id="root"></div><script src="react.js"></script>',
      "/react.js": await bundled(await codeOf("react"), "iife"),
    });
    const context = await browser.newContext();
    t.after(() => context.close());
    const visit = async (path: string): Promise<Page> => {
      const page = await context.newPage();
      page.on("pageerror", (error) => assert.fail(error));
      await page.goto(`${site}${path}`);
      return page;
    };
    const say = async (at: Page, text: string): Promise<void> => {
      await at.locator("input").fill(text);
      await at.locator("button:enabled").click();
    };
    const page = await visit("/page.html");
    await say(page, "Hello from the page");
    const react = await visit("/react.html");
    await react.locator("p", { hasText: "Hello from the page" }).waitFor();
    await say(react, "Hello from React");
    await page.locator("li", { hasText: "Hello from React" }).waitFor();

    const printed: string[] = [];
    context.on("console", (message) => printed.push(message.text()));
    await visit("/module.html");
    const prints = (text: string): Promise<void> =>
      until(
        () => printed.some((line) => line.endsWith(text)),
        () => printed.join("\n"),
      );
    await prints("Hello from React");
    await prints("Hello everyone!");

    const bash = ["-c", await codeOf("curl")];
    await ensureCommand("curl", "curl");
    const env = { ...process.env, TIDEGATE_API_KEY: key };
    const { stdout } = await promisify(execFile)("bash", bash, { env });
    assert.match(stdout, /^\{"result":\{"offset":/);
    for (const text of ["Hello everyone!", "Hello from a backend"]) {
      await page.locator("li", { hasText: text }).waitFor();
      await react.locator("p", { hasText: text }).waitFor();
    }
    await prints("Hello from a backend");
    assert.equal(await page.locator("li").count(), 4, "each once");
    assert.equal(await react.locator("p").count(), 4, "each once");
    assert.equal(await gateway.metric('tidegate_messages_total{action="message"}'), 3);
  });
});

/** As a project would, where `tidegate` is installed. */
const bundled = (contents: string, format: "esm" | "iife"): Promise<string> =>
  bundle(undefined, {
    stdin: { contents, resolveDir: "test", loader: "jsx" },
    alias: { "tidegate/client": "./src/client/index.ts", "tidegate/react": "./src/react/index.ts" },
    format,
    target: "es2022",
    jsx: "automatic",
  });

/** A site of its own; resolves to its origin. */
async function startSite(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const site = createServer((request, response) => {
    const path = request.url ?? "";
    response.setHeader("Content-Type", path.endsWith(".js") ? "text/javascript" : "text/html; charset=utf-8");
    response.end(files[path] ?? "");
  });
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  t.after(() => site.close());
  return `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
}
