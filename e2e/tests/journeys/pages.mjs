// Uses the pages as people do who see, hear, move or connect otherwise: node pages.mjs TOOLS SITE NAME PASSWORD LINK CHROMIUM
// TOOLS holds node_modules. Prints a line for each step that held; the first that does not ends it with its reason.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { live, pages } from "../../../xtask/src/screenshots/day.mjs";

const [tools, site, name, password, link, chromium] = process.argv.slice(2);
const require = createRequire(`${tools}/`);
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const complaints = [];
// As root chromium starts only without its own sandbox; it sees nothing but this site.
const args = process.getuid() === 0 ? ["--no-sandbox"] : [];
const browser = await require("playwright-core").chromium.launch({ executablePath: chromium, args });

function hold(truth, words) {
  if (!truth) throw new Error(words);
}
// The console is clean but for what the browser itself says of a lost connection or a page that is not there.
function watched(page) {
  page.setDefaultTimeout(20000);
  page.on("pageerror", (error) => complaints.push(`script: ${error.message}`));
  page.on("console", (line) => {
    const lost = /Failed to load resource|WebSocket connection/.test(line.text());
    if (["error", "warning"].includes(line.type()) && !lost) complaints.push(`console: ${line.text()}`);
  });
  return page;
}
// Nothing at all is to be told of a page: no word in its console, nothing lost, nothing that its policy forbids.
async function strict(page) {
  const told = [];
  page.setDefaultTimeout(20000);
  page.on("pageerror", (error) => told.push(`script: ${error.message}`));
  // Of the one page that is not there the browser says so.
  const known = (line) => line.location().url === `${site}/nowhere` && /status of 404/.test(line.text());
  page.on("console", (line) => ["error", "warning"].includes(line.type()) && !known(line) && told.push(`console: ${line.text()}`));
  page.on("requestfailed", (request) => told.push(`lost: ${request.url()} ${request.failure().errorText}`));
  page.on("response", (answer) => answer.status() >= 400 && answer.url() !== `${site}/nowhere` && told.push(`${answer.status()}: ${answer.url()}`));
  // Reports leave the browser late, and to a secure address alone: what they would say is heard where it happens.
  await page.exposeFunction("broken", (words) => told.push(`policy: ${words}`));
  await page.addInitScript(() => document.addEventListener("securitypolicyviolation", (event) => window.broken(`${event.effectiveDirective} ${event.blockedURI}`)));
  return told;
}
async function step(name, work) {
  try {
    await work();
    hold(!complaints.length, complaints.join("; "));
    console.log(`ok ${name}`);
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    process.exitCode = 1;
    await browser.close();
    process.exit();
  }
}
async function signIn(context) {
  const page = watched(await context.newPage());
  await page.goto(`${site}/login`);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL("**/dashboard");
  return page;
}

const first = await browser.newContext();
await signIn(first);
const state = await first.storageState();
const token = state.cookies.find((cookie) => cookie.name.endsWith("session")).value;
const made = await live(site, token, "UTC");
const PAGES = [...pages("people", made).map(({ path }) => path), "/nowhere"];
async function visit(look, work, paths = PAGES) {
  const context = await browser.newContext({ ...look, storageState: state });
  const page = watched(await context.newPage());
  for (const path of paths) {
    await page.goto(site + path);
    await work(page, path);
  }
  await context.close();
}

await step("no page has a word in its console or breaks its policy, and the policy holds back what it should", async () => {
  const everyone = [...pages("strangers"), ...pages("whoever has the link", { link })].map(({ path }) => [path, undefined]);
  for (const [path, storageState] of [...everyone, ...PAGES.map((path) => [path, state])]) {
    const context = await browser.newContext({ storageState, viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    const told = await strict(page);
    const answer = await page.goto(site + path);
    hold(answer.status() === (path === "/nowhere" ? 404 : 200) && page.url() === site + path, `${path} is ${answer.status()} of ${page.url()}`);
    hold(/script-src 'nonce-/.test(answer.headers()["content-security-policy"]), `${path} has no strict policy`);
    await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
    await page.evaluate(() => new Promise((painted) => requestAnimationFrame(() => setTimeout(painted))));
    hold(!told.length, `${path}: ${told.join("; ")}`);
    // As a stranger's words would do it that got into the page: it does not run, and all three ways tell of it.
    const ran = await page.evaluate(() => {
      document.body.append(Object.assign(document.createElement("script"), { textContent: "window.ran = true" }));
      document.body.insertAdjacentHTML("beforeend", "<img alt src='https://elsewhere.test/x.png' style='color: red'>");
      return new Promise((done) => setTimeout(() => done(window.ran === true), 200));
    });
    const heard = ["script-src-elem inline", "style-src-attr inline", "img-src https://elsewhere.test"].filter((words) => !told.some((one) => one.startsWith(`policy: ${words}`)));
    hold(!ran && !heard.length && told.some((one) => one.startsWith("console: ")), `${path}: it ran: ${ran}; nothing was told of ${heard.join(", ")}: ${told.join("; ")}`);
    await context.close();
  }
});

await step("at 400 % of 1280 px nothing has to be scrolled sideways, and nothing is covered for good", () =>
  visit({ viewport: { width: 320, height: 256 } }, async (page, path) => {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    hold(wide <= 320, `${path} is ${wide} px wide`);
    // What stands last can be scrolled to above the box and the navigation.
    const hidden = await page.evaluate(() => {
      scrollTo(0, document.body.scrollHeight);
      const last = [...document.querySelectorAll("main :is(a, button, p)")].filter((one) => one.checkVisibility() && !one.closest("details:not([open]) > :not(summary)")).at(-1).getBoundingClientRect();
      const box = document.querySelector(".say")?.getBoundingClientRect().top ?? innerHeight;
      return last.bottom > box + 8 ? `${last.bottom} below ${box}` : "";
    });
    hold(!hidden, `${path} ends under the box: ${hidden}`);
  }));

await step("in forced colours what is chosen, marked or done shows without its colour", () =>
  visit({ forcedColors: "active", viewport: { width: 1440, height: 900 } }, async (page, path) => {
    const flat = await page.evaluate(() => {
      const bare = (one) => ["borderTopStyle", "outlineStyle"].every((name) => getComputedStyle(one)[name] === "none");
      return [...document.querySelectorAll(".nav a[aria-current], .now, .chip, .msg.user > .text, .tick > i, .sheet, .say > div")].filter(bare).map((one) => one.className || one.tagName);
    });
    hold(!flat.length, `${path}: without an edge ${flat.join(", ")}`);
  }));

await step("with reduced motion nothing moves", () =>
  visit({ reducedMotion: "reduce" }, async (page, path) => {
    const moving = await page.evaluate(() => {
      document.querySelector(".log article:last-child")?.setAttribute("data-stream", "");
      return document.getAnimations().map((one) => one.animationName ?? one.transitionProperty);
    });
    hold(!moving.length, `${path}: ${moving.join(", ")}`);
  }));

for (const colorScheme of ["light", "dark"]) {
  await step(`axe finds nothing with every menu open, ${colorScheme}`, () =>
    visit({ colorScheme, reducedMotion: "reduce", bypassCSP: true, viewport: { width: 1440, height: 900 } }, async (page, path) => {
      await page.evaluate(() => document.querySelectorAll("details:not(.menu), .menu:first-of-type").forEach((one) => { one.open = true; }));
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run());
      hold(!violations.length, `${path}: ${violations.map((one) => `${one.id} (${one.nodes[0].html.slice(0, 120)})`).join("; ")}`);
    }));
}

await step("a mistake is told at its field, which has the focus and is not covered; what was typed stands there", async () => {
  const talk = `/chat/${made.conversation}`;
  const mistakes = [
    ["/settings", "/settings/zone", { zone: "Mars/Base" }],
    ["/settings", "/settings/morning", { at: "" }],
    ["/settings", "/settings/password", { old: "not this one", new: "another one" }],
    ["/settings", "/settings/import", {}],
    ["/settings", "/settings/erase", { password: "not this one" }],
    ["/tasks", "/tasks", { title: " " }],
    [`/tasks/${made.task}`, `/tasks/${made.task}`, { repeats: "now and then" }],
    ["/journal", "/journal", { text: " " }],
    [`/journal/${made.day}`, `/journal/${made.entry}/attachments`, {}],
    [`/entries/${made.entry}`, `/entries/${made.entry}`, { text: " " }],
    [talk, `${talk}/rename`, { title: " " }],
    [talk, talk, { text: " " }],
    ["/chat", "/chat", { text: " " }],
    ["/dashboard", "/say", { text: " " }],
  ];
  for (const look of [{ viewport: { width: 320, height: 560 } }, { viewport: { width: 1440, height: 900 }, colorScheme: "dark" }]) {
    const context = await browser.newContext({ ...look, storageState: state, reducedMotion: "reduce", bypassCSP: true });
    const page = watched(await context.newPage());
    for (const [path, action, fields] of mistakes) {
      await page.goto(site + path);
      // As a browser sends it that holds back nothing: the server is what has to tell.
      await Promise.all([page.waitForNavigation(), page.evaluate(([action, fields]) => {
        const form = [...document.forms].findLast((form) => form.method === "post" && form.getAttribute("action") === action);
        for (const [name, value] of Object.entries(fields)) form.elements[name].value = value;
        form.submit();
      }, [action, fields])]);
      const where = `${action} at ${look.viewport.width} px`;
      await page.waitForFunction(() => document.activeElement.getAttribute("aria-invalid") === "true").catch(() => { throw new Error(`${where}: the focus is elsewhere`); });
      const seen = await page.evaluate(() => {
        const told = document.getElementById(document.activeElement.getAttribute("aria-describedby"));
        told.scrollIntoView({ block: "center" });
        const { left, right, top, bottom } = told.getBoundingClientRect();
        const above = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
        return { words: told.textContent, alone: document.querySelectorAll("[aria-invalid]").length, covered: !told.contains(above), wide: document.documentElement.scrollWidth };
      });
      hold(seen.words.length > 10 && seen.alone === 1, `${where}: ${JSON.stringify(seen)}`);
      hold(!seen.covered, `${where}: "${seen.words}" is covered`);
      hold(seen.wide <= look.viewport.width, `${where} is ${seen.wide} px wide`);
      const kept = fields.zone ?? fields.repeats;
      hold(!kept || await page.evaluate(() => document.activeElement.value) === kept, `${where}: "${kept}" is lost`);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run());
      hold(!violations.length, `${where}: ${violations.map((one) => `${one.id} (${one.nodes[0].html.slice(0, 120)})`).join("; ")}`);
    }
    await context.close();
  }
});

await step("a screen reader hears of an answer when it begins and when it is whole, and of no word between", async () => {
  const context = await browser.newContext({ storageState: state });
  const page = watched(await context.newPage());
  await page.addInitScript(() => {
    window.heard = [];
    new MutationObserver((changes) => {
      for (const { target } of changes) {
        const live = (target.nodeType === 1 ? target : target.parentElement)?.closest("[role=status], [role=alert], [aria-live], [role=log]");
        if (live && live.getAttribute("aria-live") !== "off" && live.textContent) window.heard.push(live.textContent);
      }
    }).observe(document, { childList: true, characterData: true, subtree: true });
  });
  await page.goto(`${site}/chat`);
  await page.locator("#say").fill("count to 3 slowly");
  await page.keyboard.press("Enter");
  await page.locator(".msg.assistant .text", { hasText: "1 2 3" }).waitFor();
  await page.locator("#status", { hasText: "Answer ready" }).waitFor({ state: "attached" });
  const heard = await page.evaluate(() => window.heard.join(", "));
  hold(heard === "Answering, Answer ready", `it hears "${heard}"`);
  const tree = await page.locator("main").ariaSnapshot();
  hold(/- log:/.test(tree) && /status: Answer ready/.test(tree), `the tree is ${tree}`);
  await context.close();
});

await step("without script every form does what it says", async () => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await signIn(context);
  const button = (name) => page.getByRole("button", { name, exact: true });
  const chip = (text) => page.locator(".chip", { hasText: text }).first().waitFor();
  await page.locator("#say").fill("remind me to fetch the keys tomorrow at 5pm");
  await button("Say it").click();
  await chip("fetch the keys");
  await button("Undo: Task: fetch the keys · tomorrow, 17:00").click();
  await chip("undone");
  await page.goto(`${site}/`);
  await page.getByLabel("Begin a conversation").fill("count to 2");
  await button("Send").click();
  await page.waitForURL("**/chat/*");
  const load = page.locator("noscript a");
  for (let tries = 0; tries < 50 && await load.count(); tries += 1) await load.click();
  const text = await page.locator(".msg.assistant .text").textContent();
  hold(text === "1 2", `the answer is "${text}"`);
  await page.goto(`${site}/tasks`);
  await page.getByLabel("Title").fill("paint the door");
  await button("Add").click();
  await chip("paint the door");
  await page.locator("summary", { hasText: "Put off or delete: paint the door" }).click();
  const menu = page.locator("li", { hasText: "paint the door" });
  await menu.getByRole("button", { name: "Tomorrow" }).click();
  await chip("Moved: paint the door");
  await page.getByRole("link", { name: "paint the door", exact: true }).click();
  await page.getByLabel("Tags").fill("#home");
  await button("Save").click();
  await chip("Changed: paint the door");
  await button("Done: paint the door").click();
  await chip("Done: paint the door");
  await page.locator("summary", { hasText: "Delete: paint the door" }).click();
  await page.locator("li", { hasText: "paint the door" }).getByRole("button", { name: "Delete" }).click();
  await chip("Task deleted: paint the door");
  await page.goto(`${site}/journal`);
  await page.getByLabel("Entry").fill("written without script");
  await button("Keep").click();
  await chip("written without script");
  await page.goto(`${site}/settings`);
  await page.getByLabel("Time zone").fill("Europe/Lisbon");
  await button("Save").first().click();
  hold(await page.getByLabel("Time zone").inputValue() === "Europe/Lisbon", "the zone was not kept");
  hold(await button("Speak").count() === 0 && await page.getByText("Show reminders").isHidden(), "buttons are shown that need script");
  await button("Sign out").click();
  await page.waitForURL("**/login");
  await context.close();
});

await step("voice begins at the second tap, after it was said where it goes; without it there is no button", async () => {
  const without = await browser.newContext({ storageState: state });
  await without.addInitScript(() => { delete window.SpeechRecognition; delete window.webkitSpeechRecognition; });
  const silent = watched(await without.newPage());
  await silent.goto(`${site}/dashboard`);
  hold(await silent.locator("[data-voice]").isHidden(), "a button for what the browser cannot");
  await without.close();
  // There is no microphone here: the browser's part is played, by the interface it has.
  const context = await browser.newContext({ storageState: state });
  await context.addInitScript(() => {
    window.started = 0;
    delete window.webkitSpeechRecognition;
    window.SpeechRecognition = class {
      start() {
        window.started += 1;
        setTimeout(() => { this.onresult({ results: [[{ transcript: "remind me to call Ben " }], [{ transcript: "tomorrow at 5pm" }]] }); this.onend(); }, 50);
      }
    };
  });
  const page = watched(await context.newPage());
  await page.goto(`${site}/dashboard`);
  const speak = page.getByRole("button", { name: "Speak" });
  await speak.click();
  await page.locator(".heard", { hasText: "sends the sound to its maker" }).waitFor();
  hold(await page.evaluate(() => window.started) === 0, "it listened before it said where the sound goes");
  await speak.click();
  await page.locator(".reading", { hasText: "Task: call Ben · tomorrow, 17:00" }).waitFor();
  hold(await page.evaluate(() => window.started) === 1, "it did not listen once");
  await context.close();
});

await browser.close();
