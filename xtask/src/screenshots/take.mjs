// Takes the pictures: node take.mjs TOOLS ASSISTANT FOLDER webp|png. TOOLS holds node_modules.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { live, model, morning, pages } from "./day.mjs";

const [tools, assistant, folder, kind] = process.argv.slice(2);
const { chromium } = createRequire(`${tools}/`)("playwright-core");
const NAME = "Ana", PASSWORD = "correct horse";
const SIZES = [{ name: "phone", width: 360, height: 740 }, { name: "desktop", width: 1440, height: 900 }];
const QUALITY = 82;
// What teaches whoever has nothing yet.
const EMPTY = [{ name: "empty", path: "/dashboard" }, { name: "empty-journal", path: "/journal" }, { name: "empty-chat", path: "/chat" }];

const freePort = () => new Promise((done) => {
  const probe = createServer().listen(0, "127.0.0.1", () => {
    const { port } = probe.address();
    probe.close(() => done(port));
  });
});

async function started(site, app) {
  for (let tries = 0; tries < 600; tries += 1) {
    if (app.exitCode !== null) throw new Error(`the assistant ended with ${app.exitCode}`);
    if ((await fetch(`${site}/health/ready`).catch(() => null))?.ok) return;
    await new Promise((later) => setTimeout(later, 100));
  }
  throw new Error("the assistant was not ready after 60 s");
}

async function picture(page, name) {
  await page.evaluate(() => document.fonts.ready);
  const devtools = await page.context().newCDPSession(page);
  const quality = kind === "png" ? {} : { quality: QUALITY };
  const { data } = await devtools.send("Page.captureScreenshot", { format: kind, ...quality });
  writeFileSync(join(folder, `${name}.${kind}`), Buffer.from(data, "base64"));
  await devtools.detach();
}

/// Each of the scenes in both sizes and themes.
async function album(browser, site, zone, storageState, scenes) {
  for (const { name: size, width, height } of SIZES) {
    for (const colorScheme of ["light", "dark"]) {
      const look = { viewport: { width, height }, locale: "en-GB", deviceScaleFactor: size === "phone" ? 2 : 1, colorScheme, reducedMotion: "reduce" };
      const context = await browser.newContext({ ...look, timezoneId: zone, storageState });
      const page = await context.newPage();
      for (const { name, path, prepare } of scenes) {
        await page.goto(site + path);
        await prepare?.(page);
        await picture(page, `${name}-${size}-${colorScheme}`);
      }
      await context.close();
    }
  }
}

const zone = morning(), port = await freePort(), site = `http://127.0.0.1:${port}`;
const data = mkdtempSync(join(tmpdir(), "assistant-pictures-"));
const answers = await model();
const app = spawn(assistant, ["web"], {
  stdio: ["ignore", "ignore", "inherit"],
  env: {
    PATH: process.env.PATH, HOST: "127.0.0.1", PORT: String(port), LOG_LEVEL: "error",
    ASSISTANT_DATA: data, ASSISTANT_SECRET_KEY: "k".repeat(40), ASSISTANT_ZONE: zone, ASSISTANT_BUILTIN_PACE: "0ms",
    ASSISTANT_FIRST_USER: NAME, ASSISTANT_FIRST_PASSWORD: PASSWORD,
    ASSISTANT_MODEL_URL: `http://127.0.0.1:${answers.address().port}/v1`, ASSISTANT_MODEL_KIND: "openai", ASSISTANT_MODEL_NAME: "a-model",
  },
});
try {
  await started(site, app);
  // As root chromium starts only without its own sandbox; it sees nothing but this site.
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: process.getuid() === 0 ? ["--no-sandbox"] : [] });
  const context = await browser.newContext({ timezoneId: zone });
  const page = await context.newPage();
  await page.goto(`${site}/login`);
  await page.getByLabel("Name").fill(NAME);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/dashboard");
  const inside = await context.storageState();
  const token = inside.cookies.find((cookie) => cookie.name.endsWith("session")).value;

  await album(browser, site, zone, undefined, pages("strangers"));
  await album(browser, site, zone, inside, EMPTY);
  const made = await live(site, token, zone);
  const say = async (page) => {
    await page.locator("#say").fill("remind me to call Ben on Friday at 3pm");
    await page.locator(".reading", { hasText: "call Ben" }).waitFor();
  };
  await album(browser, site, zone, inside, [
    ...pages("people", made),
    { name: "say", path: "/dashboard", prepare: say },
    { name: "keys", path: "/dashboard", prepare: (page) => page.keyboard.press("?") },
  ]);
  await browser.close();
} finally {
  app.kill("SIGTERM");
  answers.close();
  answers.closeAllConnections();
  rmSync(data, { recursive: true, force: true });
}
