// What is typed and sent without a connection. Drafts are kept; forms wait in their order and are sent, once, when it is back.
// A form that leads to another page waits too until a page has come: if that failed, it is sent again under the same key.
// What was sent and came to a question, or was refused, stays listed until somebody has answered it or leaves it.
"use strict";
(() => {
  const account = document.querySelector("[data-account]")?.dataset.account;
  if (!account) return;
  const one = (selector, from = document) => from.querySelector(selector);
  const QUEUE = `outbox ${account}`;
  // The server forgets keys after a day: what may have been sent before that is not sent again.
  const KEY_KEPT_MS = 23 * 3600 * 1000;
  // The same words to the same place again within this time are one thing tried again, as long as nobody knows whether it arrived.
  const RETRY_MS = 10 * 60 * 1000;
  const load = () => {
    try { return JSON.parse(localStorage.getItem(QUEUE)) ?? []; } catch { return []; }
  };
  const store = (items) => localStorage.setItem(QUEUE, JSON.stringify(items));
  const drop = (item) => store(load().filter((other) => other.key !== item.key));
  // `asks`: the address of the question that it came to; `why`: the reason for which it was refused.
  const isHeld = (item) => item.asks || item.why;
  const held = () => load().filter(isHeld);
  const waiting = () => load().filter((item) => !item.going && !isHeld(item));
  let up = navigator.onLine, busy = false, notes = [];

  const short = (text) => (text.length > 60 ? `${text.slice(0, 60)}…` : text);
  const show = () => {
    const words = up ? [] : ["No connection. What you type is kept."];
    // What is only asked again, to be sure, waits for nobody while somebody answers.
    const items = waiting().filter((item) => !(up && item.again));
    if (items.length) words.push(`Waiting to be sent: ${items.map((item) => short(item.text)).join(" · ")}`);
    words.push(...notes);
    const open = held();
    if (!words.length && open.length) words.push("Not done yet:");
    let banner = one(".banner");
    if (!words.length) return banner?.remove();
    if (!banner) {
      banner = document.createElement("div");
      banner.className = "banner";
      banner.setAttribute("role", "status");
      document.body.append(banner);
    }
    const text = words.join(" "), whole = JSON.stringify([text, open]);
    if (banner.dataset.text === whole) return;
    banner.dataset.text = whole;
    banner.textContent = text;
    if (notes.length) banner.append(button("OK", "OK", () => { notes = []; }));
    open.forEach((item) => banner.append(line(item)));
  };
  const button = (label, name, act) => {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", className: "quiet", textContent: label, onclick: () => { act(); show(); } });
    made.setAttribute("aria-label", name);
    return made;
  };
  // What is still to be answered, or was refused: there is a way on, and a way out.
  const line = (item) => {
    const line = document.createElement("p"), words = `“${short(item.text)}”`;
    line.textContent = `${words}: ${item.why ?? "one question first"} `;
    if (item.asks) {
      const link = document.createElement("a");
      Object.assign(link, { href: item.asks, className: "button quiet", textContent: "Answer" });
      link.setAttribute("aria-label", `Answer ${words}`);
      line.append(link);
    } else if (fieldOf(item)) line.append(button("Change it", `Change ${words}`, () => putBack(item)));
    line.append(button("Leave it", `Leave ${words}`, () => drop(item)));
    return line;
  };
  const fieldOf = (item) => one(`[data-queue][action="${item.action}"] :is([name=text], [name=title])`) ?? one(".say [name=text]");
  // As if it were typed: it is a draft as well.
  const putBack = (item) => {
    const field = fieldOf(item);
    if (field.value.trim()) field.value += "\n";
    field.value += item.text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
    drop(item);
  };

  // Drafts: what was typed and not sent is there again.
  const draft = (field) => `draft ${account} ${field.dataset.draft}`;
  for (const field of document.querySelectorAll("[data-draft]")) {
    try {
      if (!field.value) field.value = localStorage.getItem(draft(field)) ?? "";
      field.addEventListener("input", () => localStorage.setItem(draft(field), field.value));
      field.form.addEventListener("submit", () => localStorage.removeItem(draft(field)));
    } catch { /* storage is off: then there are no drafts */ }
  }

  // Whoever signs out leaves nothing of what they typed on the device: what was not sent is named first.
  const drafts = () => Object.keys(localStorage).filter((key) => key.startsWith(`draft ${account} `));
  document.addEventListener("submit", (event) => {
    if (event.target.getAttribute("action") !== "/logout") return;
    try {
      const typed = drafts().map((key) => localStorage.getItem(key)).filter((text) => text.trim());
      const unsent = [...new Set([...waiting().filter((item) => !item.again).concat(held()).map((item) => item.text), ...typed])];
      const what = unsent.map((text) => `“${short(text.trim())}”`).join("\n");
      if (unsent.length && !confirm(`This was typed and not sent, and is removed from this device:\n\n${what}\n\nSign out?`)) return event.preventDefault();
      drafts().forEach((key) => localStorage.removeItem(key));
      localStorage.removeItem(QUEUE);
    } catch { /* storage is off: then there is nothing */ }
  });

  const words = (body) => { const fields = new URLSearchParams(body); fields.delete("key"); return fields.toString(); };
  const tried = (action, body) => load().find((item) => (item.going || item.again) && item.action === action && words(item.body) === words(body) && Date.now() - item.at < RETRY_MS);
  document.addEventListener("submit", (event) => {
    const form = event.target, field = one("[name=text], [name=title]", form);
    if (!form.matches("[data-queue]")) return;
    const fields = new URLSearchParams(new FormData(form, event.submitter)), action = form.getAttribute("action");
    fields.delete("csrf");
    const first = tried(action, fields.toString());
    if (first) {
      one("[name=key]", form).value = first.key;
      fields.set("key", first.key);
    }
    const item = { key: fields.get("key"), action, body: fields.toString(), text: field.value, at: first?.at ?? Date.now() };
    item.going = up && navigator.onLine && !waiting().some((other) => other.key !== item.key);
    try { store([...load().filter((other) => other.key !== item.key), item]); } catch { return; /* storage is off or full: then it is sent as any form */ }
    if (item.going) return;
    event.preventDefault();
    form.reset();
    field.value = "";
    field.dispatchEvent(new Event("input", { bubbles: true }));
    one("[name=key]", form).value = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    show();
    flush();
  });

  const hold = (item, how) => store(load().map((other) => (other.key === item.key ? { ...other, again: false, ...how } : other)));
  const parsed = (html) => new DOMParser().parseFromString(html, "text/html");
  // The answer to a sentence that waited stands on a page that nobody has asked for: what was done is told, and what was not
  // is kept.
  const tell = (item, answer, html) => {
    const page = parsed(html);
    if (one("[data-unanswered]", page)) return hold(item, { asks: new URL(answer.url).pathname });
    const told = one(".told, #said p", page), words = (told ?? one(".error, main p, h1", page))?.textContent.trim();
    if (!answer.ok) return hold(item, { why: words || `it was refused (${answer.status})` });
    drop(item);
    notes.push(`“${short(item.text)}”: ${words || answer.status}`);
  };
  // Answered here or elsewhere, it waits no more.
  const look = async (item) => {
    const answer = await fetch(item.asks, { headers: { Accept: "text/html" } }).catch(() => null);
    const html = await answer?.text().catch(() => "");
    if (answer?.status === 404) hold(item, { asks: null, why: "its question is no longer kept" });
    if (answer?.ok && new URL(answer.url).pathname !== "/login" && !one("[data-unanswered]", parsed(html))) drop(item);
  };
  // Whether the page that stands here is what became of it: the command stands on it, or the words do, to be changed.
  const isSeen = (item, answer) => {
    const to = answer.ok && answer.redirected && new URL(answer.url);
    const said = to && (to.searchParams.get("said") ?? to.pathname.match(/^\/answers\/(.+)/)?.[1]);
    if (said) return location.href.includes(said);
    if (answer.ok && answer.redirected) return true;
    return [...document.querySelectorAll("input, textarea")].some((field) => field.value === item.text);
  };
  // False: not now.
  const send = async (item) => {
    const body = new URLSearchParams(item.body);
    body.set("csrf", one("[name=csrf]").value);
    // "In 10 minutes" is counted from when it was typed, by however much both clocks differ.
    body.set("waited", Math.max(0, Date.now() - item.at));
    const answer = await fetch(item.action, { method: "POST", body, headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer) { up = false; return false; }
    up = true;
    // Read in any case: an answer that nobody reads keeps its connection, of which a browser has six.
    const html = await answer.text().catch(() => "");
    if (answer.status >= 500 || answer.status === 429) { setTimeout(flush, 5000); return false; }
    // Signed out, or in anew since this page came: the next page sends it.
    if (answer.status === 401 || answer.status === 403 || new URL(answer.url).pathname === "/login") return false;
    const seen = item.again ? isSeen(item, answer) : answer.ok && answer.redirected && !new URL(answer.url).pathname.startsWith("/answers/");
    if (seen) drop(item);
    else tell(item, answer, html);
    if (item.again) return true;
    document.dispatchEvent(new CustomEvent("sent", { detail: item.action }));
    return true;
  };
  const flush = async () => {
    if (busy || !navigator.onLine) return;
    busy = true;
    try {
      for (let [item] = waiting(); item; [item] = waiting()) {
        if (!await send(item)) break;
        show();
      }
    } finally { busy = false; }
    show();
  };

  // What led to this page, or to none.
  const arrive = () => {
    const late = (item) => item.going && Date.now() - item.at > KEY_KEPT_MS;
    for (const item of load().filter(late)) notes.push(`“${short(item.text)}” may not have been sent. Look for it, and say it again if it is missing.`);
    try { store(load().filter((item) => !late(item)).map((item) => (item.going ? { ...item, going: false, again: true } : item))); } catch { /* storage is off */ }
    if (!up || notes.length || held().length || waiting().some((item) => !item.again)) show();
    Promise.all(held().filter((item) => item.asks).map(look)).then(show).then(flush);
  };
  addEventListener("offline", () => { up = false; show(); });
  addEventListener("online", () => { up = true; show(); flush(); });
  addEventListener("storage", show);
  // The socket knows better than the browser whether anybody answers, but may open after the browser has lost its line.
  document.addEventListener("line", (event) => { up = event.detail && navigator.onLine; show(); if (up) flush(); });
  addEventListener("pageshow", (event) => event.persisted && arrive());
  arrive();
})();
