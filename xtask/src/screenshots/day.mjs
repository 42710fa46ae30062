// A believable day of somebody, told to the assistant as programs do, and a model server with one good answer.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const LIST = new URL("../../../crates/assistant/pages.json", import.meta.url);

/// The assistant's pages of this kind, `{ name, path }` each, with what was `made` in the place of what their addresses leave open.
export function pages(kind, made = {}) {
  const fill = (address) => address.replace(/\{(\w+)\}/g, (_, name) => {
    if (!made[name]) throw new Error(`${address}: nothing was made that is a ${name}`);
    return made[name];
  });
  const listed = JSON.parse(readFileSync(LIST)).filter((page) => page.for === kind);
  return listed.map(({ name, address }) => ({ name, path: fill(address) }));
}

/// A city where it is a morning now, so that the pictures show the same hour whenever they are taken.
export function morning() {
  const hour = (timeZone) => Number(new Date().toLocaleString("en-GB", { timeZone, hour: "2-digit", hourCycle: "h23" }));
  const cities = Intl.supportedValuesOf("timeZone").filter((zone) => /^(Europe|America|Asia|Australia|Pacific)\/[A-Z][a-z]+$/.test(zone));
  return cities.find((zone) => hour(zone) === 9) ?? "UTC";
}

const ANSWER = `Two days, one bag. A plan that leaves room:

**Saturday**

1. Train at 09:12, window seats on the left for the coast.
2. Lunch at the market hall; the fish stalls close at three.
3. Walk up to the lighthouse before sunset.

**Sunday**

- Late breakfast, then the botanical garden.
- Train back at 16:40, so that Monday stays easy.

| what | about |
|---|---|
| two return tickets | 54 € |
| a room for a night | 88 € |

Shall I put *book the train* on your list?`;

/// Speaks the streamed chat completions of OpenAI.
export async function model() {
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const send = (delta, finish_reason = null) =>
        response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
      for (const word of ANSWER.split(/(?<= )/)) send({ content: word });
      send({}, "stop");
      response.end("data: [DONE]\n\n");
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return server;
}

/// Fills the account; returns what of it has a page of its own.
export async function live(site, token, zone) {
  const ask = async (path, body) => {
    const answer = await fetch(site + path, {
      method: body ? "POST" : "GET",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return answer.json();
  };
  const day = (ahead) => new Date(Date.now() + ahead * 86_400_000).toLocaleDateString("sv", { timeZone: zone });
  const task = (title, ahead, due_time, tags = [], recurrence) =>
    ask("/api/tasks", { title, due_day: ahead === null ? null : day(ahead), due_time, tags, recurrence });

  await task("pick up the parcel", -2, null, ["errands"]);
  await task("answer Jonas about the flat", -1, null);
  const shown = await task("call Anna about the weekend", 0, "10:30", ["family"]);
  await task("send the invoice to Meyer & Co", 0, "14:00", ["work"]);
  await task("water the plants", 0, null, ["home"], { rule: "FREQ=DAILY;INTERVAL=3" });
  await task("buy coffee and oats", 0, null, ["errands"]);
  const { undo_id } = await task("dentist", 1, "08:45", ["health"]);
  await task("prepare the talk on bees", 1, null, ["work"]);
  await task("swim", 2, "18:00", ["health"], { rule: "FREQ=WEEKLY" });
  await task("birthday present for Mika", 4, null, ["family"]);
  await task("pay rent", 5, null, ["home"], { rule: "FREQ=MONTHLY" });
  await task("read the lease again", null, null);
  for (const title of ["book the dentist", "back up the photos"]) {
    const { task: done } = await task(title, 0, null);
    await ask(`/api/tasks/${done.id}/done`, {});
  }
  await ask("/api/journal", { day: day(-2), text: "First frost. Cycled to work anyway, hands like ice, head clear. The talk has a beginning now: start with the dance, not with the honey." });
  const { entry } = await ask("/api/journal", { day: day(-1), text: "Long walk by the river with Anna. We counted nine herons. She may come along at the weekend." });
  await ask("/api/journal", { day: day(0), text: "Slept well. Porridge, a page of the book, and out before the rain." });

  const talk = async (...sentences) => {
    const { id } = await ask("/api/conversations", {});
    for (const text of sentences) {
      const { stream } = await ask(`/api/conversations/${id}/messages`, { text });
      // The stream ends with the answer.
      await (await fetch(site + stream, { headers: { authorization: `Bearer ${token}` } })).text();
    }
    return id;
  };
  await talk("journal: a good idea for the talk: bring a comb to pass around");
  await talk("what is on my plate today");
  const trip = await talk("remind me to book the train tomorrow at 5pm", "plan a weekend by the sea for two, by train");
  return { task: shown.task.id, entry: entry.id, day: entry.day, conversation: trip, answer: undo_id };
}
