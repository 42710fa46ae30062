// What Lighthouse finds, for every page: node lighthouse.mjs TOOLS SITE NAME PASSWORD CHROMIUM
// TOOLS holds node_modules. Prints a line for each page that passes; the first that does not ends it with what was found.
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { live, pages } from "../../../xtask/src/screenshots/day.mjs";

const [tools, site, name, password, chromium] = process.argv.slice(2);
const require = createRequire(`${tools}/`);
const { default: lighthouse } = await import(pathToFileURL(require.resolve("lighthouse")));
const SCORE_MIN = 0.95, BYTES_MAX = 100_000;
// A machine that does other work slows what is measured, never speeds it.
const TRIES = 3;

const port = await new Promise((done) => {
  const probe = createServer().listen(0, "127.0.0.1", () => {
    const { port } = probe.address();
    probe.close(() => done(port));
  });
});
const profile = mkdtempSync(join(tmpdir(), "lighthouse-"));
// As root chromium starts only without its own sandbox; it sees nothing but this site.
const sandbox = process.getuid() === 0 ? ["--no-sandbox"] : [];
const browser = await require("playwright-core").chromium.launchPersistentContext(profile, {
  executablePath: chromium,
  args: [`--remote-debugging-port=${port}`, ...sandbox],
});

async function judged(path) {
  const flags = { port, output: "json", logLevel: "error", disableStorageReset: true };
  const { lhr } = await lighthouse(site + path, flags);
  // Such as a trace that chromium did not give: nothing was judged.
  if (lhr.runtimeError) return { wrong: [lhr.runtimeError.message] };
  const wrong = Object.values(lhr.categories).filter((one) => one.score < SCORE_MIN).map((one) => {
    const found = one.auditRefs.filter((ref) => ref.weight && lhr.audits[ref.id].score !== null && lhr.audits[ref.id].score < 0.9);
    return `${one.title} ${one.score}: ${found.map((ref) => `${ref.id} ${lhr.audits[ref.id].displayValue ?? ""}`).join(", ")}`;
  });
  const bytes = lhr.audits["total-byte-weight"].numericValue;
  if (bytes > BYTES_MAX) wrong.push(`${bytes} bytes`);
  if (lhr.finalDisplayedUrl !== site + path) wrong.push(`it leads to ${lhr.finalDisplayedUrl}`);
  const scores = Object.values(lhr.categories).map((one) => `${one.id} ${one.score}`).join(", ");
  return { wrong, told: `${scores}; ${bytes} bytes, largest paint ${Math.round(lhr.audits["largest-contentful-paint"].numericValue)} ms` };
}

async function page(path) {
  for (let tries = 1; ; tries += 1) {
    const { wrong, told } = await judged(path);
    if (!wrong.length) return console.log(`ok ${path} ${told}`);
    if (tries === TRIES) throw new Error(`${path}: ${wrong.join("; ")}`);
  }
}

try {
  for (const { path } of pages("strangers")) await page(path);
  const form = await browser.newPage();
  await form.goto(`${site}/login`);
  await form.getByLabel("Name").fill(name);
  await form.getByLabel("Password").fill(password);
  await form.keyboard.press("Enter");
  await form.waitForURL("**/dashboard");
  const cookie = (await browser.cookies()).find((one) => one.name.endsWith("session"));
  const made = await live(site, cookie.value, Intl.DateTimeFormat().resolvedOptions().timeZone);
  await form.close();
  for (const { path } of pages("people", made)) await page(path);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
