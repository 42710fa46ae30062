// Runs chrono-node over the corpora, for comparison: how far does a library get that is
// there for the taking?
//
//     npm install chrono-node@2        # in a folder outside the repository
//     node chrono.mjs <folder>/node_modules/chrono-node
//
// Without an argument chrono-node is looked for in the folders of NODE_PATH. Prints one
// line of JSON for each file. Only the first reading of a text counts: it is a hit, or
// wrong where it is none of the expected; missed is a text without a reading. Chrono
// cannot ask back, so that any of the meanings to be offered is a hit, and of a range
// only the first day is compared. A day with a certain hour is wrong where only a day
// was said. In titles nothing is to be found.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const require = createRequire(import.meta.url);
const chrono = require(process.argv[2] ? resolve(process.argv[2]) : "chrono-node");

const MINUTE = 60_000;
const pad = (number) => String(number).padStart(2, "0");

/** Minutes by which the wall clock of `zone` is ahead of UTC at `instant`. */
function offset(instant, zone) {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone, hourCycle: "h23",
    year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
  }).formatToParts(instant);
  const at = Object.fromEntries(parts.map(({ type, value }) => [type, Number(value)]));
  return (Date.UTC(at.year, at.month - 1, at.day, at.hour, at.minute, at.second) - instant) / MINUTE;
}

/** The instant and the offset of `2026-03-27T16:40:00[Europe/Madrid]`. */
function reference(now) {
  const [, wall, zone] = now.match(/^(.+)\[(.+)\]$/);
  const clock = Date.parse(`${wall}Z`);
  // The second round mends a first guess on the far side of a clock change.
  let timezone = offset(clock, zone);
  timezone = offset(clock - timezone * MINUTE, zone);
  return { instant: new Date(clock - timezone * MINUTE), timezone };
}

function readings({ text, now, direction }) {
  return chrono.parse(text, reference(now), { forwardDate: direction === "ahead" });
}

/** Whether `start` is the day (`2026-03-28`) or the moment (`2026-03-28T17:00`) `meant`. */
function is(start, meant) {
  const day = [String(start.get("year")).padStart(4, "0"), pad(start.get("month")), pad(start.get("day"))].join("-");
  if (!meant.includes("T")) return day === meant && !start.isCertain("hour");
  // Chrono answers in a wall clock: an offset after the minute says nothing to it.
  return `${day}T${pad(start.get("hour"))}:${pad(start.get("minute"))}` === meant.slice(0, 16);
}

function meanings({ day, at, days, ask }) {
  return ask ?? [day ?? at ?? days[0]];
}

function load(file) {
  const lines = readFileSync(new URL(`en/${file}`, import.meta.url), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line));
}

for (const part of ["open", "held"]) {
  const file = `sentences.${part}.jsonl`;
  const count = { hits: 0, wrong: 0, missed: 0 };
  const cases = load(file);
  for (const one of cases) {
    const [first] = readings(one);
    if (!first) count.missed += 1;
    else if (meanings(one.expect).some((meant) => is(first.start, meant))) count.hits += 1;
    else count.wrong += 1;
  }
  console.log(JSON.stringify({ file, cases: cases.length, ...count }));
}
for (const part of ["open", "held"]) {
  const file = `titles.${part}.jsonl`;
  const cases = load(file);
  const found = cases.filter((one) => readings(one).length > 0).length;
  console.log(JSON.stringify({ file, cases: cases.length, found }));
}
