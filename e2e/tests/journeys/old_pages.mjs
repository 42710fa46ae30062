// Keeps pages open while others deploy: node old_pages.mjs TOOLS CHROMIUM
// TOOLS holds node_modules. Does what each line of its input says, and answers with a line of JSON; its input's end is its own.
//   open NAME URL   opens a page in a browser of its own, which has kept nothing: { title, complaints }
//   visit NAME      has that page load each of its parts by the page's own script: { parts, complaints }
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [tools, chromium] = process.argv.slice(2);
// As root chromium starts only without its own sandbox; it sees nothing but this site.
const args = process.getuid() === 0 ? ["--no-sandbox"] : [];
const browser = await createRequire(`${tools}/`)("playwright-core").chromium.launch({ executablePath: chromium, args });
const LIMIT_MS = 30_000;
const pages = new Map();

function watched(page) {
  const complaints = [];
  page.setDefaultTimeout(LIMIT_MS);
  page.on("pageerror", (error) => complaints.push(`script: ${error.message}`));
  page.on("console", (line) => ["error", "warning"].includes(line.type()) && complaints.push(`console: ${line.text()}`));
  page.on("requestfailed", (request) => complaints.push(`lost: ${request.url()}`));
  page.on("response", (answer) => answer.status() >= 400 && complaints.push(`${answer.status()}: ${new URL(answer.url()).pathname}`));
  return { page, complaints };
}
const within = (work) => Promise.race([work, new Promise((_, late) => setTimeout(() => late(new Error(`not within ${LIMIT_MS} ms`)), LIMIT_MS).unref())]);

const verbs = {
  async open(name, url) {
    const { page, complaints } = watched(await (await browser.newContext()).newPage());
    pages.set(name, { page, complaints });
    await page.goto(url);
    await page.waitForFunction(() => window.parts);
    return { title: await page.title(), complaints };
  },
  async visit(name) {
    const { page, complaints } = pages.get(name);
    // What cannot be loaded is told by its reason; the page goes on, as one does whose reader clicks elsewhere.
    const parts = await within(page.evaluate(async () => Object.fromEntries(await Promise.all(
      Object.entries(window.parts).map(async ([name, load]) => [name, await load().then((part) => part.says(), (error) => `${error.name}`)])))));
    return { parts, complaints };
  },
};

try {
  for await (const line of createInterface({ input: process.stdin })) {
    const [verb, ...words] = line.split(" ");
    console.log(JSON.stringify(await verbs[verb](...words)));
  }
} finally {
  await browser.close();
}
