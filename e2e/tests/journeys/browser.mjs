// Drives chromium as somebody with a keyboard does: node browser.mjs TOOLS SITE LINK CHROMIUM
// TOOLS holds node_modules. Prints a line for each step that held; the first that does not ends it with its reason.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pages } from "../../../xtask/src/screenshots/day.mjs";

const [tools, site, link, chromium] = process.argv.slice(2);
const require = createRequire(`${tools}/`);
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const NAME = "ana", PASSWORD = "correct horse";
const complaints = [];

const browser = await require("playwright-core").chromium.launch({
  executablePath: chromium,
  // As root chromium starts only without its own sandbox; it sees nothing but this site.
  args: process.getuid() === 0 ? ["--no-sandbox"] : [],
});
const desktop = await browser.newContext({ viewport: { width: 1440, height: 900 }, timezoneId: "America/New_York" });
const page = watched(await desktop.newPage());

// Policies that are broken and scripts that fail show up nowhere else.
function watched(page) {
  page.setDefaultTimeout(15000);
  page.on("pageerror", (error) => complaints.push(`script: ${error.message}`));
  page.on("console", (line) => /Content Security Policy/.test(line.text()) && complaints.push(line.text()));
  return page;
}
function hold(truth, words) {
  if (!truth) throw new Error(words);
}
async function step(name, work) {
  try {
    await work();
    hold(!complaints.length, complaints.join("; "));
    console.log(`ok ${name}`);
  } catch (error) {
    console.error(`${name}: ${error.message}\nat ${page.url()}`);
    process.exitCode = 1;
    await browser.close();
    process.exit();
  }
}
const press = (...keys) => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
const type = (text) => page.keyboard.type(text);
// By its key, which a page hears once its script is there.
async function toBox() {
  const isThere = () => page.evaluate(() => document.activeElement?.id === "say");
  for (let tries = 0; !(await isThere()); tries += 1) {
    hold(tries < 100, "the key leads to no box");
    await press("/");
    if (!(await isThere())) await page.waitForTimeout(100);
  }
}
// By the Tab key alone, to what is called so; whoever cannot get there in 60 steps cannot get there.
async function tabTo(name) {
  for (let steps = 0; steps < 60; steps += 1) {
    await press("Tab");
    const at = await page.evaluate(() => {
      const at = document.activeElement, ring = getComputedStyle(at);
      // From the last place to the first the way leads over the page itself.
      return { name: at === document.body ? "" : (at.getAttribute("aria-label") || at.textContent).trim(), ring: ring.outlineStyle !== "none" || at.closest(".say") !== null };
    });
    hold(at.ring || !at.name, `"${at.name}" has the focus and does not show it`);
    if (at.name === name) return;
  }
  throw new Error(`the Tab key does not lead to "${name}"`);
}
async function signIn() {
  // The page gives the focus to the first field when it paints, which is after it has loaded.
  await page.locator("input:focus").waitFor();
  await type(NAME);
  await press("Tab");
  await type(PASSWORD);
  await press("Enter");
  await page.waitForURL("**/dashboard");
}

await step("the link makes the first account", async () => {
  const look = await browser.newContext({ viewport: { width: 360, height: 740 }, colorScheme: "light", reducedMotion: "reduce", bypassCSP: true });
  for (const { path } of pages("whoever has the link", { link })) await inspect(watched(await look.newPage()), path, 360, "light");
  await look.close();
  await page.goto(site + link);
  await signIn();
  await page.goto(site + link);
  hold(await page.getByText("This link is over").isVisible(), "the link works twice");
});

await step("sign out and in by keyboard alone", async () => {
  await page.goto(`${site}/settings`);
  hold(await page.getByLabel("Time zone").inputValue() === "America/New_York", "the account lives elsewhere than its browser");
  await tabTo("Sign out");
  await press("Enter");
  await page.waitForURL("**/login");
  await signIn();
});

await step("a page that is open when its session ends elsewhere shows nothing more", async () => {
  const other = watched(await desktop.newPage());
  await other.goto(`${site}/tasks`);
  await other.waitForLoadState("networkidle");
  await page.goto(`${site}/settings`);
  await tabTo("Sign out");
  await press("Enter");
  await Promise.all([page, other].map((one) => one.waitForURL("**/login", { timeout: 5000 })));
  await other.close();
  await signIn();
});

await step("a sentence is understood while it is typed, done, and undone", async () => {
  await toBox();
  await type("remind me to call Anna tomorrow at 5pm");
  const understood = "Task: call Anna · tomorrow, 17:00";
  await page.locator(".reading", { hasText: understood }).waitFor();
  await press("Enter");
  await page.locator(".chip", { hasText: understood }).waitFor();
  await press("u");
  await page.locator(".chip", { hasText: "undone" }).waitFor();
  await page.goto(`${site}/tasks`);
  hold(await page.locator("[data-row]", { hasText: "call Anna" }).count() === 0, "the task is still there");
});

await step("one key has a date stay in the title", async () => {
  await toBox();
  await type("task: watch Tomorrow tomorrow");
  const reading = page.locator(".reading");
  await reading.filter({ hasText: /^Task: watch Tomorrow · tomorrow$/ }).waitFor();
  await press("Escape");
  await reading.filter({ hasText: /^Task: watch Tomorrow tomorrow · no date$/ }).waitFor();
  hold(await page.locator("#say:focus").count() === 1, "the box lost the focus");
  await press("Enter");
  await page.locator(".chip", { hasText: "Task: watch Tomorrow tomorrow" }).waitFor();
  await press("u");
  await page.locator(".chip", { hasText: "undone" }).waitFor();
});

await step("an hour that was asked about once is known, until the settings forget it", async () => {
  await toBox();
  await type("remind me to call Carl tomorrow at 5");
  await press("Enter");
  const afternoon = await page.locator(".offers button", { hasText: "17:00" }).textContent();
  await tabTo(afternoon.trim());
  await press("Enter");
  await page.locator(".chip", { hasText: "Task: call Carl · tomorrow, 17:00" }).waitFor();
  await press("u");
  await page.locator(".chip", { hasText: "undone" }).waitFor();
  await toBox();
  await type("remind me to call Dora tomorrow at 5");
  await page.locator(".reading", { hasText: "Task: call Dora · tomorrow, 17:00" }).waitFor();
  await page.goto(`${site}/settings`);
  await tabTo("Ask again: “at 5” is 17:00");
  await press("Enter");
  await page.getByText("How you say times").waitFor({ state: "detached" });
  await page.goto(`${site}/tasks`);
});

await step("an answer has a page that is there after a reload, and a form that is sent twice leads to it once", async () => {
  await page.goto(`${site}/tasks`);
  await toBox();
  await type("remind me to call Gus tomorrow at 3");
  await press("Enter");
  await page.waitForURL("**/answers/*");
  const question = page.url(), offers = page.locator(".offers button", { hasText: "15:00" });
  await page.reload();
  hold(await offers.count() === 1, "the choices are gone after a reload");
  await offers.click();
  await page.locator(".chip", { hasText: "Task: call Gus · tomorrow, 15:00" }).waitFor();
  await page.goto(question);
  hold(await offers.count() === 0, "the question can be answered twice");
  await page.getByRole("link", { name: "What came of it" }).click();
  await page.locator(".chip", { hasText: "call Gus" }).waitFor();
  await page.reload();
  await tabTo("Undo: Task: call Gus · tomorrow, 15:00");
  await press("Enter");
  await page.locator(".chip", { hasText: "undone" }).waitFor();
  // Without script the same form is sent twice.
  const plain = await desktop.browser().newContext({ storageState: await desktop.storageState(), javaScriptEnabled: false });
  const without = watched(await plain.newPage());
  await without.goto(`${site}/tasks`);
  const field = (name) => without.locator(`.say input[name=${name}]`).getAttribute("value");
  const form = { text: "task: sent twice", csrf: await field("csrf"), key: await field("key"), back: await field("back") };
  const send = async () => (await plain.request.post(`${site}/say`, { form, headers: { origin: site }, maxRedirects: 0 })).headers().location;
  const first = await send();
  hold(/^\/answers\//.test(first) && await send() === first, `the same form leads to ${first}, then elsewhere`);
  await without.goto(site + first);
  await without.getByText("Noted: “sent twice”").waitFor();
  await without.getByRole("link", { name: "Back" }).click();
  await without.waitForURL("**/tasks");
  hold(await without.locator("[data-row]", { hasText: "sent twice" }).count() === 1, "it was done twice");
  await without.goto(site + first);
  await without.getByRole("button", { name: "Undo: Task: sent twice" }).click();
  await without.locator(".card", { hasText: "undone" }).waitFor();
  await plain.close();
  await page.goto(`${site}/settings`);
  await tabTo("Ask again: “at 3” is 15:00");
  await press("Enter");
  await page.getByText("How you say times").waitFor({ state: "detached" });
  await page.goto(`${site}/tasks`);
});

await step("a task is added and ticked off", async () => {
  await toBox();
  await type("task: water the <b>plants</b>");
  await press("Enter");
  await page.locator(".chip", { hasText: "Task: water" }).waitFor();
  await press("j", "x");
  await page.locator(".chip", { hasText: "Done: water the <b>plants</b>" }).waitFor();
});

await step("a task that comes again is put off by its key", async () => {
  await toBox();
  await type("task: stretch every Monday at 9 #health");
  await press("Enter");
  await page.locator(".chip", { hasText: "09:00, every Monday #health" }).waitFor();
  await page.goto(`${site}/tasks?tag=health`);
  await press("j", "s");
  await page.locator(".menu button:focus").waitFor();
  await press("Enter");
  await page.locator(".chip", { hasText: "Moved: stretch" }).waitFor();
});

await step("a reminder is shown by one of two pages, and seen in it", async () => {
  await page.goto(`${site}/dashboard`);
  const other = watched(await desktop.newPage());
  await other.goto(`${site}/tasks`);
  await page.evaluate(async () => {
    const at = new Date(Date.now() + 3000);
    const task = { title: "call Cleo", due_day: at.toLocaleDateString("sv"), due_time: at.toTimeString().slice(0, 8) };
    const answer = await fetch("/api/tasks", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(task) });
    if (answer.status !== 201) throw new Error(`the task was answered ${answer.status}`);
  });
  const toast = (where) => where.locator(".toast", { hasText: "call Cleo" });
  await Promise.any([page, other].map((where) => toast(where).waitFor()));
  // A page that listens anew asks for what it missed; it is shown already.
  const silent = await toast(page).count() ? other : page;
  const shown = silent === page ? other : page;
  await silent.reload();
  await silent.waitForLoadState("networkidle");
  hold(await toast(silent).count() === 0, "both pages show it");
  await page.goto(`${site}/dashboard`);
  await page.getByRole("heading", { name: "While you were away" }).waitFor();
  if (shown === page) await page.getByRole("button", { name: "Seen: call Cleo" }).click();
  else await toast(other).getByRole("button", { name: "OK" }).click();
  await page.getByRole("heading", { name: "While you were away" }).waitFor({ state: "detached" });
  await other.close();
});

for (const allowed of [true, false]) {
  await step(`a reminder is shown ${allowed ? "by the system where that is allowed" : "in the page where the system may not"}`, async () => {
    // Nobody else listens who could show it first.
    await page.goto("about:blank");
    const context = await browser.newContext({ timezoneId: "America/New_York", storageState: await desktop.storageState() });
    await context.addInitScript(() => {
      window.told = [];
      const Real = window.Notification;
      window.Notification = class extends Real {
        constructor(title, options) {
          super(title, options);
          const note = { title, body: options.body, shown: false };
          window.told.push(note);
          this.addEventListener("show", () => { note.shown = true; });
          window.press = () => this.dispatchEvent(new Event("click"));
        }
      };
    });
    const here = watched(await context.newPage());
    const devtools = await context.newCDPSession(here);
    const { targetInfo } = await devtools.send("Target.getTargetInfo");
    const permission = { origin: site, permission: { name: "notifications" }, setting: allowed ? "granted" : "denied", browserContextId: targetInfo.browserContextId };
    await (await browser.newBrowserCDPSession()).send("Browser.setPermission", permission);
    await here.goto(`${site}/settings`);
    hold(await here.evaluate(() => Notification.permission) === permission.setting, "the browser has not taken the permission");
    hold(await here.getByText("Show reminders as notifications").isHidden(), "it offers what is decided");
    const title = allowed ? "call Dan" : "call Eve";
    const time = await here.evaluate(async (title) => {
      const at = new Date(Date.now() + 3000);
      const task = { title, due_day: at.toLocaleDateString("sv"), due_time: at.toTimeString().slice(0, 8) };
      const answer = await fetch("/api/tasks", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(task) });
      if (answer.status !== 201) throw new Error(`the task was answered ${answer.status}`);
      return at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    }, title);
    const toast = here.locator(".toast", { hasText: title });
    if (allowed) {
      await here.waitForFunction(() => window.told.some((note) => note.shown));
      const told = await here.evaluate(() => window.told);
      hold(told.length === 1 && told[0].title === title && told[0].body === time, `it shows ${JSON.stringify(told)}`);
      hold(await toast.count() === 0, "the page shows it too");
      await here.evaluate(() => window.press());
      await here.waitForURL("**/dashboard");
      await here.getByRole("button", { name: `Seen: ${title}` }).click();
    } else {
      await toast.waitFor();
      hold(await here.evaluate(() => window.told.length) === 0, "it asks the system, which may not");
      await toast.getByRole("button", { name: "OK" }).click();
      await toast.waitFor({ state: "detached" });
    }
    await here.goto(`${site}/dashboard`);
    await here.getByRole("heading", { name: "While you were away" }).waitFor({ state: "detached" });
    await context.close();
    await page.goto(`${site}/dashboard`);
  });
}

await step("what cannot be done is said, and nothing typed is lost", async () => {
  await toBox();
  await type("email Anna that I am late");
  await press("Enter");
  await page.getByRole("heading", { name: "Not understood" }).waitFor();
  await tabTo("Write in the journal");
  await press("Enter");
  await page.locator(".chip", { hasText: "email Anna that I am late" }).waitFor();
});

await step("the journal is written, and a draft outlives the page", async () => {
  await page.goto(`${site}/journal`);
  await tabTo("Entry");
  await type("a long walk");
  await page.reload();
  await tabTo("Entry");
  await press("End");
  await type(" by the river");
  await tabTo("Keep");
  await press("Enter");
  await page.locator("article.entry", { hasText: "a long walk by the river" }).waitFor();
});

await step("an entry is changed in two tabs, and both versions are brought together", async () => {
  const other = watched(await desktop.newPage());
  await tabTo("Edit: a long walk by the river");
  await press("Enter");
  await page.waitForURL("**/entries/*");
  await other.goto(page.url());
  await other.getByLabel("Text").fill("a long walk by the river #walks");
  await other.getByRole("button", { name: "Save" }).click();
  await other.waitForURL("**/journal/*");
  await page.getByLabel("Text").focus();
  await press("Control+End");
  await type(", and **home**");
  await tabTo("Save");
  await press("Enter");
  await page.getByRole("heading", { name: "This entry was changed meanwhile" }).waitFor();
  hold(await page.locator("td", { hasText: "#walks" }).count() === 1, "the other tab's version is not shown");
  await page.getByLabel("Text").fill("a long walk by the river, and **home** #walks");
  await tabTo("Save this");
  await press("Enter");
  await page.waitForURL("**/journal/*");
  await page.locator("article.entry strong", { hasText: "home" }).waitFor();
  await page.locator("article.entry a.tag", { hasText: "#walks" }).click();
  await page.waitForURL("**/journal?tag=walks");
  hold(await page.locator("article.entry").count() === 1, "the tag leads to other entries");
  await other.close();
});

await step("what was written offline is sent once, in its order, when the line is back", async () => {
  const banner = page.locator(".banner");
  await page.goto(`${site}/journal`);
  await desktop.setOffline(true);
  await banner.filter({ hasText: "No connection" }).waitFor();
  for (const text of ["offline one", "offline two"]) {
    await page.getByLabel("Entry", { exact: true }).fill(text);
    await tabTo("Keep");
    await press("Enter");
    await banner.filter({ hasText: text }).waitFor();
  }
  await page.locator("#say").fill("task: offline three");
  await press("Enter");
  await banner.filter({ hasText: "offline three" }).waitFor();
  await page.getByLabel("Entry", { exact: true }).fill("a draft that stays");
  await desktop.setOffline(false);
  await banner.waitFor({ state: "detached" });
  await page.locator("article.entry", { hasText: "offline two" }).waitFor();
  await page.reload();
  hold(await page.getByLabel("Entry", { exact: true }).inputValue() === "a draft that stays", "the draft is gone");
  await page.getByLabel("Entry", { exact: true }).fill("");
  const stored = (path) => page.evaluate(async (path) => (await fetch(path)).json(), path);
  const entries = (await stored("/api/journal")).entries.map((entry) => entry.text).filter((text) => /^offline/.test(text));
  hold(entries.join() === "offline two,offline one", `the journal has ${entries.join()}`);
  const tasks = (await stored("/api/tasks")).tasks.filter((task) => task.title === "offline three");
  hold(tasks.length === 1, `the task is there ${tasks.length} times`);

  // A message of the chat, and one that the network swallows while the browser thinks it is there.
  await page.goto(`${site}/chat`);
  await page.locator("#say").fill("what can you do");
  await press("Enter");
  await page.waitForURL("**/chat/*");
  await page.getByRole("button", { name: "Retry" }).waitFor();
  await desktop.setOffline(true);
  await banner.filter({ hasText: "No connection" }).waitFor();
  await page.locator("#say").fill("count to 3");
  await press("Enter");
  await banner.filter({ hasText: "count to 3" }).waitFor();
  await desktop.setOffline(false);
  await page.locator(".msg.assistant .text", { hasText: /^1 2 3$/ }).waitFor();
  hold(await page.locator(".msg.user .text", { hasText: "count to 3" }).count() === 1, "it was said twice");
  await page.goto(`${site}/journal`);
  await page.route("**/journal", (route) => (route.request().method() === "POST" ? route.abort() : route.continue()));
  await page.getByLabel("Entry", { exact: true }).fill("swallowed");
  await page.getByRole("button", { name: "Keep" }).click();
  await page.waitForURL("chrome-error://**");
  await page.unroute("**/journal");
  const sent = page.waitForResponse((answer) => answer.request().method() === "POST" && answer.url() === `${site}/journal`);
  await page.goto(`${site}/journal`);
  await sent;
  await page.reload();
  await page.waitForLoadState("networkidle");
  const swallowed = (await stored("/api/journal")).entries.filter((entry) => entry.text === "swallowed");
  hold(swallowed.length === 1, `the entry is there ${swallowed.length} times`);
});

await step("words that are sent again because no answer came are kept once", async () => {
  const waiting = () => page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("outbox ")).flatMap((key) => JSON.parse(localStorage.getItem(key))));
  const text = "said twice, meant once";
  await page.goto(`${site}/journal`);
  await page.waitForLoadState("networkidle");
  // The write arrives, its answer never does; nor does what would be asked to be sure.
  let arrived = 0;
  await page.route("**/journal", async (route) => {
    if (route.request().method() !== "POST") return route.continue();
    if (route.request().isNavigationRequest()) {
      hold((await route.fetch({ maxRedirects: 0 })).status() === 303, "it was not kept");
      arrived += 1;
    }
    return route.abort();
  });
  await page.getByLabel("Entry", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Keep" }).click();
  await page.waitForURL("chrome-error://**");
  hold(arrived === 1, `it arrived ${arrived} times`);
  await page.goto(`${site}/journal`);
  const [first] = await waiting();
  await page.getByLabel("Entry", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Keep" }).click();
  await page.waitForFunction(() => location.protocol === "chrome-error:" || !document.querySelector("textarea[name=text]").value);
  await page.unroute("**/journal");
  await page.goto(`${site}/journal`);
  for (let tries = 0; tries < 100 && (await waiting()).length; tries += 1) {
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await page.waitForLoadState("networkidle");
  }
  hold(!(await waiting()).length && first.text === text, "it still waits to be sent");
  const kept = await page.evaluate(async () => (await (await fetch("/api/journal")).json()).entries.map((entry) => entry.text));
  hold(kept.filter((one) => one === text).length === 1, `it is there ${kept.filter((one) => one === text).length} times`);
  // Said again once that is known, it is meant again.
  await page.getByLabel("Entry", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Keep" }).click();
  await page.waitForURL("**/journal?said=*");
  hold(await page.locator("article.entry", { hasText: text }).count() === 2, "what was meant again is not there");
});

await step("questions that come of what was said offline wait, each with a link, until they are answered", async () => {
  const banner = page.locator(".banner"), said = ["remind me to call Zed at 8", "remind me to call Yan at 7", "an idea: the keeper of the harbour"];
  await page.goto(`${site}/journal`);
  await desktop.setOffline(true);
  await banner.filter({ hasText: "No connection" }).waitFor();
  for (const text of said) {
    await page.locator("#say").fill(text);
    await press("Enter");
    await banner.filter({ hasText: text }).waitFor();
  }
  await desktop.setOffline(false);
  for (const text of said) await banner.getByRole("link", { name: `Answer “${text}”` }).waitFor();
  await page.reload();
  for (const text of said) await banner.getByRole("link", { name: `Answer “${text}”` }).waitFor();
  await banner.getByRole("link", { name: `Answer “${said[0]}”` }).click();
  await page.waitForURL("**/answers/*");
  await page.locator("main .offers button").first().click();
  await page.waitForURL("**/journal?said=*");
  await page.goto(`${site}/tasks`);
  await page.locator("[data-row]", { hasText: "call Zed" }).waitFor();
  await banner.getByRole("link", { name: `Answer “${said[0]}”` }).waitFor({ state: "detached" });
  for (const text of said.slice(1)) await banner.getByRole("button", { name: `Leave “${text}”` }).click();
  await banner.waitFor({ state: "detached" });
});

await step("what brought no page is told on the next one, and what was not understood waits there", async () => {
  const banner = page.locator(".banner");
  const lost = async (text) => {
    await page.goto(`${site}/dashboard`);
    await page.waitForLoadState("networkidle");
    await page.route("**/say", (route) => route.abort());
    await page.locator("#say").fill(text);
    await press("Enter");
    await page.waitForFunction(() => location.protocol === "chrome-error:");
    await page.unroute("**/say");
    await page.goto(`${site}/tasks`);
    await banner.filter({ hasText: text }).waitFor();
  };
  await lost("an idea: the keeper of the lighthouse");
  await banner.getByRole("button", { name: "Leave “an idea: the keeper of the lighthouse”" }).click();
  await banner.waitFor({ state: "detached" });
  await lost("task: feed the kiwi");
  hold(await page.locator("#say").inputValue() === "", "what was done waits to be said again");
  await page.reload();
  hold(await page.locator("[data-row]", { hasText: "feed the kiwi" }).count() === 1, "the task is not there once");
});

await step("the u key takes back the last thing, wherever it stands, and a mark stays on its row", async () => {
  await page.goto(`${site}/tasks`);
  for (const text of ["task: first of three", "task: second of three"]) {
    await toBox();
    await type(text);
    await press("Enter");
    await page.locator(".chip", { hasText: text.slice(6) }).waitFor();
  }
  await page.goto(`${site}/history`);
  await press("u");
  await page.waitForURL("**/history?said=*");
  await page.locator("li", { hasText: "Task: second of three" }).filter({ hasText: "undone" }).waitFor();
  await page.goto(`${site}/tasks`);
  await press("j");
  const here = page.locator("[data-row].here");
  const marked = await here.innerText();
  await press("?");
  await page.locator("#keys[open]").waitFor();
  await press("x");
  await press("Escape");
  hold(await here.count() === 1 && await here.innerText() === marked, "a key went through the dialog");
  const at = new Date().toLocaleDateString("sv");
  await page.evaluate((day) => fetch("/api/tasks", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ title: "urgent from the phone", due_day: day, due_time: "00:01:00" }) }), at);
  await page.locator("[data-row]", { hasText: "urgent from the phone" }).waitFor();
  hold(await here.innerText() === marked, "another row is marked");
});

await step("everything is searched, and done things are taken back from the history", async () => {
  await toBox();
  await type("search for river");
  await press("Enter");
  await page.locator(".told", { hasText: "a long walk by the river" }).waitFor();
  await tabTo("Open in the search");
  await press("Enter");
  await page.waitForURL("**/search?q=river");
  await page.locator('.hits a[href^="/journal/"]').first().click();
  await page.waitForURL("**/journal/*#e-*");
  await page.goto(`${site}/history`);
  await tabTo("Undo: Task: offline three");
  await press("Enter");
  await page.waitForURL("**/history?said=*");
  await page.locator("li", { hasText: "Task: offline three" }).filter({ hasText: "undone" }).waitFor();
});

await step("what is asked back in the chat is answered once, by a button or in words", async () => {
  const offers = (hour) => page.locator(".msg .offers button", { hasText: hour });
  await page.goto(`${site}/chat`);
  await toBox();
  await type("remind me to call Hal tomorrow at 4");
  await press("Enter");
  await page.waitForURL("**/chat/*");
  await offers("16:00").waitFor();
  await page.reload();
  await tabTo((await offers("16:00").textContent()).trim());
  await press("Enter");
  await page.locator(".card", { hasText: "call Hal" }).filter({ hasText: "16:00" }).waitFor();
  hold(await offers("").count() === 0, "it can be answered again");
  await toBox();
  await type("remind me to call Ida tomorrow at 6");
  await press("Enter");
  await offers("18:00").waitFor();
  await toBox();
  await type("in the evening");
  await press("Enter");
  await page.locator(".card", { hasText: "call Ida" }).filter({ hasText: "18:00" }).waitFor();
  hold(await offers("").count() === 0, "what was answered in words can be answered again");
});

await step("an answer is streamed, and goes on after a reload, whole and once", async () => {
  await page.goto(`${site}/chat`);
  await toBox();
  await type("count to 4 slowly");
  await press("Enter");
  await page.waitForURL("**/chat/*");
  const answer = page.locator(".msg.assistant .text");
  const has = (number) => answer.filter({ hasText: new RegExp(`\\b${number}\\b`) }).waitFor();
  await has(2);
  await page.reload();
  // A screen reader hears these words and no token.
  const heard = page.evaluate(() => new Promise((done) => {
    const status = document.querySelector("#status"), words = [status.textContent];
    new MutationObserver(() => {
      words.push(status.textContent);
      if (/ready/.test(status.textContent)) done(words.join(", "));
    }).observe(status, { childList: true });
  }));
  hold(await heard === "Answering, Answer ready", `a screen reader hears "${await heard}"`);
  const text = await answer.textContent();
  hold(text === "1 2 3 4", `the answer is "${text}"`);
  await page.reload();
  hold(await answer.textContent() === text, "another text is stored");
});

await step("what a sentence did in the chat is shown, and undone by keyboard", async () => {
  const understood = "Task: call Bert · tomorrow, 18:00";
  await toBox();
  await type("remind me to call Bert tomorrow at 6pm");
  await press("Enter");
  const card = page.locator(".card", { hasText: "call Bert" });
  await card.waitFor();
  const words = await card.innerText();
  hold(/Task/.test(words) && /tomorrow, 18:00/.test(words), `the card says "${words}"`);
  await page.waitForFunction(() => document.querySelector("#status").textContent !== "Answering");
  const ready = await page.locator("#status").textContent();
  // Empty: the answer was there before the page was.
  hold(["", `Answer ready. ${understood}`].includes(ready), `a screen reader hears "${ready}"`);
  await page.reload();
  await tabTo(`Undo: ${understood}`);
  await press("Enter");
  await page.waitForURL("**?said=*");
  await page.locator("#status", { hasText: `Undone: ${understood}` }).waitFor({ state: "attached" });
  hold(await card.evaluate((one) => one === document.activeElement), "the focus is not on what was undone");
  await page.reload();
  hold(/undone/.test(await card.innerText()), "it is not shown as undone");
  hold(await card.getByRole("button").count() === 0, "it can be undone twice");
  await page.goto(`${site}/tasks`);
  hold(await page.locator("[data-row]", { hasText: "call Bert" }).count() === 0, "the task is still there");
  await page.goBack();
});

await step("the card works without script, and the u key undoes the last thing said", async () => {
  const plain = await desktop.browser().newContext({ storageState: await desktop.storageState(), javaScriptEnabled: false });
  const without = watched(await plain.newPage());
  for (const text of ["remind me to pay rent on 3 May", "journal: rain at the café", "add buy milk to my tasks"]) {
    await toBox();
    await type(text);
    await press("Enter");
    await page.locator("article:last-child .card").waitFor();
  }
  await press("u");
  await page.locator(".card", { hasText: "buy milk" }).filter({ hasText: "undone" }).waitFor();
  await without.goto(page.url());
  await without.getByRole("button", { name: "Undo: Journal: rain" }).click();
  await without.locator(".card", { hasText: "rain at the café" }).filter({ hasText: "undone" }).waitFor();
  hold(await without.getByRole("button", { name: "Undo: Task: pay rent" }).isVisible(), "another card lost its button");
  await plain.close();
});

await step("an answer is had again and a question said otherwise, by keyboard, and every way back is there", async () => {
  const talk = page.url();
  const question = (text) => page.locator(".msg.user .text", { hasText: text }).waitFor();
  await page.goto(`${site}/chat`);
  await toBox();
  await type("what can you do");
  await press("Enter");
  await page.getByRole("button", { name: "Retry" }).waitFor();
  await tabTo("Retry");
  await press("Enter");
  await page.getByText("2 of 2").waitFor();
  await tabTo("The answer before this one");
  await press("Enter");
  await page.getByText("1 of 2").waitFor();
  await tabTo("Edit");
  await press("Enter", "Tab", "Control+A");
  await type("what is on my plate today");
  await tabTo("Ask this instead");
  await press("Enter");
  await question("what is on my plate today");
  await page.getByRole("button", { name: "Retry" }).waitFor();
  await tabTo("The question before this one");
  await press("Enter");
  await question("what can you do");
  // The way leads to its end, not only to the question.
  await page.locator(".msg.assistant", { hasText: "2 of 2" }).waitFor();

  await tabTo("Rename or delete");
  await press("Enter");
  await tabTo("Title");
  await press("Control+A");
  await type("Plans");
  await press("Enter");
  await page.getByRole("heading", { name: "Plans" }).waitFor();
  await tabTo("Rename or delete");
  await press("Enter");
  await tabTo("Delete this conversation");
  await press("Enter");
  await page.waitForURL("**/chat?said=*");
  hold(await page.locator(".talks a", { hasText: "Plans" }).count() === 0, "the conversation is still there");
  await press("u");
  await page.locator(".talks a", { hasText: "Plans" }).waitFor();
  await page.goto(talk);
});

const talk = page.url();
const made = (path, body) => page.evaluate(async ([path, body]) => {
  const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path} was answered ${answer.status}`);
  return answer.json();
}, [path, body]);
let earliest = "";
const long = `/chat/${(await made("/api/conversations", { title: "a long one" })).id}`;

await step("earlier messages come in above and nothing moves, without script on pages, and the search opens theirs", async () => {
  let last = "";
  // Each has its answer: 72 messages, and a page shows 50.
  for (let n = 1; n <= 36; n += 1) {
    const said = await made(`/api/conversations/${long.slice(6)}/messages`, { text: n === 2 ? "remember the bittern" : `hello ${n}` });
    last = said.message_id;
    earliest ||= last;
    await page.evaluate(async (stream) => (await fetch(stream)).text(), said.stream);
  }
  const messages = page.locator(".msg");
  await page.goto(site + long);
  hold(await messages.count() === 50, `the page shows ${await messages.count()} messages`);
  hold(await page.locator(`#m-${last}`).evaluate((one) => one.getBoundingClientRect().bottom <= innerHeight), "it does not open at its end");
  const first = page.locator(`#${await messages.first().getAttribute("id")}`);
  const place = () => first.evaluate((one) => one.getBoundingClientRect().top);
  await tabTo("Earlier messages");
  const before = await place();
  await press("Enter");
  await page.waitForFunction(() => document.querySelectorAll(".msg").length === 72);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  hold(Math.abs(await place() - before) < 2, `what was read moved from ${before} to ${await place()}`);
  hold(await page.locator("#status").textContent() === "22 earlier messages", "a screen reader hears nothing of it");
  hold(await page.getByRole("link", { name: "Earlier messages" }).count() === 0, "it says that more is earlier");
  const ids = await messages.evaluateAll((all) => all.map((one) => one.id));
  hold(new Set(ids).size === 72, "a message is there twice");

  const plain = await browser.newContext({ storageState: await desktop.storageState(), javaScriptEnabled: false });
  const without = watched(await plain.newPage());
  await without.goto(site + long);
  await without.getByRole("link", { name: "Earlier messages" }).click();
  await without.waitForURL("**?before=*");
  const shown = await without.locator(".msg").evaluateAll((all) => all.map((one) => one.id));
  hold(shown.join() === ids.slice(0, 22).join(), `the earlier page has ${shown.length} messages`);
  hold(await without.locator(".msg").last().evaluate((one) => one.getBoundingClientRect().top < innerHeight), "it opens elsewhere than reading goes on");
  await without.getByRole("link", { name: "Later messages" }).click();
  await without.locator(`#m-${last}`).waitFor();
  await plain.close();

  await page.goto(`${site}/search?q=bittern&kind=message`);
  await page.locator(".hits a").first().click();
  await page.waitForURL("**/chat/*#m-*");
  const found = page.locator(".msg.user", { hasText: "remember the bittern" });
  const box = await found.boundingBox();
  hold(box && box.y >= 0 && box.y < 900, `what was found stands at ${box?.y}`);
});

await step("a second tab follows what is said, answered and chosen in the first", async () => {
  const other = watched(await desktop.newPage());
  await page.goto(site + long);
  await other.goto(site + long);
  await other.waitForLoadState("networkidle");
  await other.locator("#say").fill("half a sentence");
  await other.locator("#say").focus();
  await page.locator("#say").fill("count to 5 slowly");
  await page.locator("#say").press("Enter");
  await other.locator(".msg.user .text", { hasText: "count to 5 slowly" }).waitFor();
  const answer = other.locator(".msg.assistant .text").last();
  await answer.filter({ hasText: /^1 2/ }).waitFor();
  hold(await answer.textContent() !== "1 2 3 4 5", "it comes whole, not as it is written");
  await answer.filter({ hasText: /^1 2 3 4 5$/ }).waitFor();
  await other.locator(".msg.assistant").last().getByRole("button", { name: "Retry" }).waitFor();
  hold(await other.locator("#say").inputValue() === "half a sentence", "what was typed is gone");
  hold(await other.locator("#say:focus").count() === 1, "the focus is gone");

  // Another answer, and back to the first: both tabs read the same.
  await page.locator(".msg.assistant").last().getByRole("button", { name: "Retry" }).click();
  await other.getByText("2 of 2").waitFor();
  await page.getByText("2 of 2").waitFor();
  await page.getByRole("button", { name: "Stop" }).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "The answer before this one" }).click();
  await other.getByText("1 of 2").waitFor();
  const texts = (where) => where.locator(".msg").evaluateAll((all) => all.slice(-4).map((one) => one.id).join());
  await page.getByText("1 of 2").waitFor();
  hold(await texts(page) === await texts(other), "the tabs show different messages");
  await page.getByText("Rename or delete").click();
  await page.getByLabel("Title").fill("a longer one");
  await page.getByRole("button", { name: "Rename" }).click();
  await other.getByRole("heading", { name: "a longer one" }).waitFor();
  await other.close();
});

await step("what is too long is kept whole, counted and not sent", async () => {
  await page.goto(site + long);
  await page.waitForLoadState("networkidle");
  const said = await page.locator(".msg").count();
  await page.locator("#say").focus();
  await page.keyboard.insertText("x".repeat(20431));
  await page.getByText("20,431 characters; at most 20,000 fit, so 431 are too many.").waitFor();
  await press("Enter");
  await page.reload();
  hold((await page.locator("#say").inputValue()).length === 20431, "some of it is lost");
  hold(await page.locator(".msg").count() === said, "it was sent");
  await page.getByText("431 are too many").waitFor();
  await page.locator("#say").fill("hello");
  await page.getByText("431 are too many").waitFor({ state: "detached" });
  await press("Enter");
  await page.locator(".msg.user .text", { hasText: /^hello$/ }).waitFor();
  await page.goto(`${site}/dashboard`);
  await page.locator("#say").focus();
  await page.keyboard.insertText(`task: ${"y".repeat(2000)}`);
  await page.getByText("2,006 characters; at most 2,000 fit").waitFor();
  await press("Enter");
  hold((await page.locator("#say").inputValue()).length === 2006, "the sentence was cut");
  await page.locator("#say").fill("");
  await page.goto(talk);
});

await step("signing out names what was typed and not sent, and leaves nothing of it on the device", async () => {
  await page.goto(`${site}/journal`);
  await page.getByLabel("Entry", { exact: true }).fill("a thought that nobody is to read");
  await page.goto(`${site}/settings`);
  const asked = [];
  const decide = (yes) => page.once("dialog", (dialog) => { asked.push(dialog.message()); return yes ? dialog.accept() : dialog.dismiss(); });
  decide(false);
  await page.getByRole("button", { name: "Sign out" }).click();
  hold(asked.length === 1 && asked[0].includes("“a thought that nobody is to read”"), `it asks "${asked}"`);
  await page.goto(`${site}/journal`);
  hold(await page.getByLabel("Entry", { exact: true }).inputValue() === "a thought that nobody is to read", "it signed out, or the draft is gone");
  await page.goto(`${site}/settings`);
  decide(true);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL("**/login");
  const left = await page.evaluate(() => JSON.stringify({ ...localStorage }));
  hold(!left.includes("thought"), `the device keeps ${left}`);
  await signIn();
  await page.goto(talk);
});

const conversation = new URL(page.url()).pathname.split("/").at(-1);
const state = await desktop.storageState();
await page.goto(`${site}/tasks`);
const id = async (link) => (await link.first().getAttribute("href")).split("/").at(-1);
const task = await id(page.locator("a.title"));

await page.goto(`${site}/journal`);
const entry = await id(page.locator("a.tag", { hasText: "Edit" }));
const { undo_id: answer } = await made("/api/say", { text: "task: sweep the yard" });
const PEOPLE = pages("people", { task, entry, conversation, answer, day: "2026-02-28" }).map(({ path }) => path);

async function inspect(page, path, width, scheme) {
  await page.goto(site + path);
  const seen = await page.evaluate(() => {
    const shown = (one) => one.getClientRects().length && !one.matches(".skip") && getComputedStyle(one).display !== "inline";
    const small = [...document.querySelectorAll("a, button, input, textarea, select")].filter(shown).filter((one) => {
      const { width, height } = one.getBoundingClientRect();
      return width < 44 || height < 44;
    });
    const light = getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0);
    // A page without navigation stands in the middle.
    const alone = document.querySelector(".login > *")?.getBoundingClientRect();
    const aside = alone ? Math.abs((alone.left + alone.right - innerWidth) / 2) : 0;
    return { aside, wide: document.documentElement.scrollWidth, small: small.map((one) => one.outerHTML.slice(0, 90)), light };
  });
  const where = `${path} at ${width} px, ${scheme}`;
  hold(seen.wide <= width, `${where} is ${seen.wide} px wide`);
  hold(seen.aside < 2, `${where} stands ${seen.aside} px aside`);
  hold(!seen.small.length, `${where} has targets below 44 px: ${seen.small.join(" ")}`);
  hold((seen.light > 384) === (scheme === "light"), `${where} has the other scheme's background`);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  hold(!violations.length, `${where}: ${violations.map((one) => `${one.id} (${one.nodes[0].html.slice(0, 120)})`).join("; ")}`);
}

for (const [width, scheme] of [[360, "light"], [360, "dark"], [1440, "dark"]]) {
  await step(`every page fits ${width} px and is ${scheme}; axe finds nothing`, async () => {
    const look = { viewport: { width, height: 740 }, colorScheme: scheme, reducedMotion: "reduce", bypassCSP: true };
    const inside = await browser.newContext({ ...look, storageState: state });
    const signedIn = watched(await inside.newPage());
    for (const path of [...PEOPLE, long, `${long}?at=${earliest}`, "/tasks?state=done", "/journal?q=river", "/journal?tag=walks", "/search", "/search?q=nothing", "/nowhere"]) {
      await inspect(signedIn, path, width, scheme);
    }
    const outside = await browser.newContext(look);
    const strangers = watched(await outside.newPage());
    // The link is over by now, which is a page too.
    for (const path of [...pages("strangers").map(({ path }) => path), link]) await inspect(strangers, path, width, scheme);
    await Promise.all([inside.close(), outside.close()]);
  });
}
await browser.close();
