// What pages can do beyond forms: follow answers, follow changes, keys. Everything works without it.
"use strict";
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const one = (selector, from = document) => from.querySelector(selector);
  const box = () => one(".say [name=text]");

  // Answers. A finite stream each; after a phone's sleep or a lost line it goes on where it was.
  const status = (text) => { const line = one("#status"); if (line) line.textContent = text; };
  const follow = (message) => {
    const text = one(".text", message), url = message.dataset.stream;
    let last = "", source = null, over = false;
    const seen = (event) => { if (event.lastEventId) last = event.lastEventId; return JSON.parse(event.data); };
    const open = () => {
      if (over || (source && source.readyState === EventSource.OPEN)) return;
      if (source) source.close();
      source = new EventSource(last ? `${url}?from=${last}` : url);
      source.addEventListener("text", (event) => {
        const near = innerHeight + scrollY > document.body.scrollHeight - 160;
        text.append(seen(event).text);
        if (near) scrollTo(0, document.body.scrollHeight);
      });
      source.addEventListener("reset", (event) => { text.textContent = ""; note(seen(event).reason); });
      source.addEventListener("note", (event) => note(seen(event).note));
      source.addEventListener("done", (event) => {
        over = true;
        source.close();
        const how = seen(event).status;
        message.removeAttribute("data-stream");
        one("footer", message).textContent = how === "done" ? "" : how === "stopped" ? "stopped" : "no answer came; ask again";
        const end = how === "done" ? "Answer ready" : how === "stopped" ? "Answer stopped" : "No answer came";
        // What it did stands on the card; whoever does not see it hears it in the same breath.
        meet().then(() => {
          const card = one(".card", message);
          status(card ? `${end}. ${card.getAttribute("aria-label")}` : end);
        });
      });
      source.onerror = () => { if (!over && source.readyState === EventSource.CLOSED) setTimeout(open, 1000); };
    };
    const note = (words) => {
      const line = document.createElement("span");
      line.className = "note";
      line.textContent = words;
      text.before(line);
    };
    text.textContent = "";
    status("Answering");
    open();
    for (const name of ["pageshow", "online"]) addEventListener(name, open);
    document.addEventListener("visibilitychange", () => document.hidden || open());
  };
  // The conversation as it stands now, also by another tab or the phone: what was said comes in, what another branch has goes,
  // what answers did is told anew, and the text of one that has just ended comes as it is when it is whole: with its headings
  // and lists. One at a time, so that none puts back what a later one brought.
  let turn = Promise.resolve();
  const meet = () => { turn = turn.then(bring, bring); return turn; };
  const bring = async () => {
    const log = one(".log[data-follow]");
    if (!log) return;
    const fresh = await page(log.dataset.follow), now = fresh && one(".log", fresh);
    if (!now) return;
    const near = innerHeight + scrollY > document.body.scrollHeight - 160;
    const ids = new Set(all(".msg", now).map((message) => message.id)), shown = all(".msg", log);
    // Earlier pages stand above what is the first message of this one; where that is missing, all is another branch's or long ago.
    const from = shown.findIndex((message) => ids.has(message.id));
    const gone = shown.slice(from < 0 || shown[from].id !== one(".msg", now).id ? 0 : from).filter((message) => !ids.has(message.id));
    if (gone.some(typedIn)) return;
    if (gone.length && gone[0] === shown[0]) {
      one(".earlier")?.remove();
      const above = one(".earlier", fresh);
      if (above) log.before(above);
    }
    gone.forEach((message) => message.remove());
    let last = null;
    for (const message of all(".msg", now)) {
      const old = document.getElementById(message.id);
      if (old) renew(old, message);
      else if (last) last.after(message);
      else log.prepend(message);
      if (!old && message.dataset.stream) follow(message);
      last = old ?? message;
    }
    if (last) one(".teach")?.remove();
    const name = one(".head h1"), title = one(".head h1", fresh);
    if (title && name.textContent !== title.textContent) {
      name.textContent = title.textContent;
      document.title = fresh.title;
    }
    if (near) scrollTo(0, document.body.scrollHeight);
  };
  const typedIn = (message) => one("details[open]", message) || (message.contains(document.activeElement) && /INPUT|TEXTAREA/.test(document.activeElement.tagName));
  const renew = (old, fresh) => {
    if (old.dataset.stream || fresh.dataset.stream) return;
    const rich = one(".rich", fresh), plain = one("span.text", old);
    if (rich && plain) plain.replaceWith(rich);
    // Below an answer all; below a question only which of several it is: its words may be being changed.
    for (const part of [".after", ".msg.user .places"]) {
      const [before, after] = [one(part, old), one(part, fresh)];
      if (before?.contains(document.activeElement)) continue;
      if (before && after) before.replaceWith(after);
      else if (after) one("footer", old)?.append(after);
    }
  };
  // Earlier messages come in above, and what is read stays where it is.
  document.addEventListener("click", async (event) => {
    const link = event.target.closest(".earlier a"), log = one(".log");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (link.dataset.going) return;
    link.dataset.going = "1";
    const fresh = await page(link.href);
    delete link.dataset.going;
    if (!fresh) return location.assign(link.href);
    const first = one(".msg", log), place = first.getBoundingClientRect().top;
    const messages = all(".log .msg", fresh).filter((message) => !document.getElementById(message.id));
    first.before(...messages);
    const further = one(".earlier a", fresh);
    if (further) link.href = further.href;
    else { link.parentNode.remove(); log.tabIndex = -1; log.focus({ preventScroll: true }); }
    scrollBy({ top: first.getBoundingClientRect().top - place, behavior: "instant" });
    messages.filter((message) => message.dataset.stream).forEach(follow);
    status(messages.length ? `${messages.length} earlier messages` : "Nothing is earlier");
  });
  const page = async (address) => {
    const answer = await fetch(address, { headers: { Accept: "text/html" } }).catch(() => null);
    return answer?.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  };
  // Words that stand there when a page comes are heard by nobody; put there a moment later they are.
  if (one("#status")?.textContent && !one("[data-stream]")) {
    const heard = one("#status").textContent;
    status("");
    setTimeout(() => status(heard), 200);
  }
  all("[data-stream]").forEach(follow);
  if (one(".log[data-follow]") && !location.hash && !one("#said, #wrong")) scrollTo(0, document.body.scrollHeight);

  // Changes made elsewhere: another tab, the phone, the worker. The part of the page that shows rows is fetched anew.
  let wait = 250;
  const refresh = async () => {
    meet();
    const busy = (part) => part.querySelector("details[open]") || (part.contains(document.activeElement) && /INPUT|TEXTAREA/.test(document.activeElement.tagName));
    const parts = all("#live, #aside").filter((part) => !busy(part));
    const anew = parts.length ? await page(location.href) : null;
    for (const old of parts) {
      const fresh = anew && one(`#${old.id}`, anew);
      if (!fresh || fresh.innerHTML === old.innerHTML || busy(old)) continue;
      const focus = old.contains(document.activeElement) ? document.activeElement : null, here = one(".here", old);
      old.replaceWith(fresh);
      alike(focus, fresh)?.focus({ preventScroll: true });
      if (here) alike(one("form, a", here), fresh)?.closest("[data-row]")?.classList.add("here");
    }
  };
  // The same thing in a part that came anew: what it is called and where it leads tell it from all others.
  const sign = (one) => [one.tagName, one.getAttribute("aria-label"), one.getAttribute("href"), one.getAttribute("action"), one.form?.getAttribute("action"), one.value].join();
  const alike = (old, fresh) => old && all(old.tagName, fresh).find((other) => sign(other) === sign(old));
  const listen = () => {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/ws`);
    const beat = setInterval(() => socket.readyState === 1 && socket.send('{"type":"ping"}'), 25000);
    let soon = 0;
    socket.onopen = () => { if (wait > 250) refresh(); wait = 250; line(true); missed(); };
    socket.onmessage = (event) => {
      const told = JSON.parse(event.data);
      if (told.type === "reminder") remind(told);
      if (told.type !== "changed") return;
      clearTimeout(soon);
      soon = setTimeout(refresh, 150);
    };
    socket.onclose = (event) => {
      clearInterval(beat);
      // Signed out, here or elsewhere: what is shown is nobody's to read any more.
      if (event.code === 1008) return location.reload();
      wait = Math.min(wait * 2, 15000);
      setTimeout(listen, wait * (0.75 + Math.random() / 2));
      if (wait > 2000) line(false);
    };
  };
  const line = (up) => document.dispatchEvent(new CustomEvent("line", { detail: up }));
  // What had waited for a connection was sent: the end of a conversation shows the answer, other pages their rows.
  document.addEventListener("sent", (event) => {
    if (event.detail === location.pathname && one(".log:not([data-follow])")) location.assign(event.detail);
    else refresh();
  });
  if (one(".say")) listen();

  // Reminders: the page that claims one first shows it; until it is seen it stands on the dashboard too.
  const post = (address) => fetch(address, { method: "POST" }).catch(() => null);
  const remind = async (reminder) => {
    const claim = await post(`/api/reminders/${reminder.id}/shown`);
    if (!claim?.ok || !(await claim.json()).first) return;
    const time = new Date(reminder.due_at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    try {
      if (Notification.permission !== "granted") throw new Error("not allowed");
      const shown = new Notification(reminder.title, { body: time, tag: reminder.id });
      shown.onclick = () => { focus(); location.assign("/dashboard"); };
      // Allowed, and the system shows none: then the page does.
      shown.onerror = () => toast(reminder, time);
    } catch { toast(reminder, time); }
  };
  const toast = (reminder, time) => {
    const chip = document.createElement("div"), text = document.createElement("p"), ok = document.createElement("button");
    chip.className = "chip toast";
    chip.setAttribute("role", "alert");
    text.textContent = `${time} · ${reminder.title}`;
    ok.textContent = "OK";
    ok.className = "quiet";
    ok.type = "button";
    ok.onclick = async () => {
      const answer = await post(`/api/reminders/${reminder.id}/seen`);
      if (answer?.ok) return chip.remove();
      text.textContent = answer ? `That could not be kept. Request ${answer.headers.get("x-request-id")}` : "No connection. Try again.";
    };
    chip.append(text, ok);
    document.body.append(chip);
  };
  // What came while no page listened.
  const missed = async () => {
    const answer = await fetch("/api/reminders").catch(() => null);
    if (answer?.ok) (await answer.json()).reminders.filter((reminder) => !reminder.shown).forEach(remind);
  };
  for (const offer of all("[data-notify]")) {
    offer.hidden = !("Notification" in window) || Notification.permission !== "default";
    one("button", offer).onclick = () => Notification.requestPermission().then(() => { offer.hidden = true; });
  }

  // The chip while one types: how the sentence is read, before it is said. One key has its date stay in the words.
  const reading = one(".reading"), keep = one(".keep"), dates = one(".say [name=dates]");
  if (reading) {
    let typed = 0;
    const show = (read) => {
      reading.textContent = read.understood ? read.understood + (dates.value === "keep" ? " · no date" : "") : "";
      keep.hidden = !read.dated;
    };
    const look = async () => {
      const said = box().value, how = dates.value;
      const answer = await fetch(`/api/read?text=${encodeURIComponent(said)}&dates=${how}`).catch(() => null);
      if (answer?.ok && box().value === said && dates.value === how) show(await answer.json());
    };
    box().addEventListener("input", () => {
      clearTimeout(typed);
      if (box().value.trim()) typed = setTimeout(look, 120);
      else { dates.value = "read"; show({}); }
    });
    keep.addEventListener("click", () => { dates.value = "keep"; keep.hidden = true; box().focus(); look(); });
  }

  // Voice, by the browser and after a tap. Where it may leave the device that is said first, and a second tap begins.
  const Recognition = window.SpeechRecognition ?? window.webkitSpeechRecognition;
  const speak = one("[data-voice]"), heard = one(".heard");
  if (Recognition && speak) {
    const language = document.documentElement.lang;
    let listening = null, told = false;
    const local = async () => {
      try { return await Recognition.available({ langs: [language], processLocally: true }) === "available"; } catch { return false; }
    };
    const failed = {
      "not-allowed": "The microphone is not allowed here; the browser's settings change that. Typing works.",
      "no-speech": "Nothing was heard.",
      "network": "The browser's speech service cannot be reached. Typing works.",
    };
    speak.hidden = false;
    speak.addEventListener("click", async () => {
      if (listening) return listening.stop();
      const stays = await local();
      if (!stays && !told) {
        told = true;
        heard.textContent = "Your browser writes down what you say, and mostly sends the sound to its maker for that. Tap again to speak.";
        return;
      }
      listening = new Recognition();
      Object.assign(listening, { lang: language, interimResults: true });
      if (stays) listening.processLocally = true;
      let wrong = "";
      listening.onresult = (event) => {
        box().value = [...event.results].map((result) => result[0].transcript).join("");
        box().dispatchEvent(new Event("input", { bubbles: true }));
      };
      listening.onerror = (event) => { wrong = failed[event.error] ?? `That did not work (${event.error}). Typing works.`; };
      listening.onend = () => {
        listening = null;
        speak.setAttribute("aria-pressed", "false");
        heard.textContent = wrong;
        box().focus();
      };
      speak.setAttribute("aria-pressed", "true");
      heard.textContent = stays ? "Listening. The sound stays on this device." : "Listening. The sound goes where your browser sends it.";
      listening.start();
    });
  }

  for (const field of all("[data-zone]")) field.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";

  // A text that is too long is not cut and not sent: it stays, with how much of it is too much.
  const measure = (field) => {
    const most = Number(field.dataset.max), chars = [...field.value.trim()].length, form = field.form;
    let told = one(`.over[data-of="${field.name}"]`, form);
    const number = (count) => count.toLocaleString("en");
    const words = chars > most ? `${number(chars)} characters; at most ${number(most)} fit, so ${number(chars - most)} are too many. Nothing of it is lost.` : "";
    field.setCustomValidity(words);
    if (!words) return told?.remove();
    if (!told) {
      told = document.createElement("p");
      told.className = "error over";
      told.dataset.of = field.name;
      told.setAttribute("role", "status");
      form.prepend(told);
    }
    told.textContent = words;
  };
  for (const field of all("[data-max]")) {
    field.addEventListener("input", () => measure(field));
    measure(field);
  }

  // What the box did is shown on the page that one is on, whose script has seen to its rows; without script its own page comes.
  document.addEventListener("formdata", (event) => event.target.matches("[action='/say']") && event.formData.set("stay", "yes"));

  // A form is sent once; its key would make a second time harmless anyway.
  document.addEventListener("submit", (event) => setTimeout(() => event.defaultPrevented || all("button", event.target).forEach((button) => { button.disabled = true; })));
  addEventListener("pageshow", () => all("button").forEach((button) => { button.disabled = false; }));

  // Keys.
  // The row that is marked: itself, not its place, which changes when others come or go.
  const rows = () => all("[data-row]");
  const marked = () => rows().find((row) => row.matches(".here"));
  const go = (step) => {
    const list = rows();
    if (!list.length) return;
    const was = list.findIndex((row) => row.matches(".here"));
    const next = list[Math.max(0, Math.min(list.length - 1, was + step))];
    list[was]?.classList.remove("here");
    next.classList.add("here");
    next.scrollIntoView({ block: "nearest" });
  };
  // The last thing that was done: a conversation ends with it, the history begins with it.
  const undo = () => {
    const buttons = all("[data-do=undo]"), last = one("[data-newest=first]") ? buttons[0] : buttons.at(-1);
    if (last) last.click();
    else location.assign("/history");
  };
  const later = (row) => {
    const menu = row && one(".menu", row);
    if (!menu) return;
    menu.open = !menu.open;
    if (menu.open) one("button", menu)?.focus();
  };
  const press = (selector, from) => from && one(selector, from)?.click();
  document.addEventListener("keydown", (event) => {
    const typing = /INPUT|TEXTAREA|SELECT/.test(event.target.tagName);
    if (event.key === "Escape" && event.target === box() && keep && !keep.hidden) return keep.click();
    if (event.key === "Escape" && typing) return event.target.blur();
    const menu = event.key === "Escape" && one(".menu[open]");
    if (menu) { menu.open = false; return one("summary", menu).focus(); }
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target.matches(".say textarea")) {
      event.preventDefault();
      return event.target.form.requestSubmit();
    }
    // A dialog has the keyboard for itself.
    if (typing || one("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {
      "/": () => box()?.focus(),
      j: () => go(1),
      k: () => go(-1),
      x: () => press("[data-do=done]", marked()),
      s: () => later(marked()),
      u: undo,
      "?": () => one("#keys")?.showModal(),
      t: () => location.assign("/dashboard"),
    }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  document.addEventListener("click", (event) => {
    all(".menu[open]").filter((menu) => !menu.contains(event.target)).forEach((menu) => { menu.open = false; });
    if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
    if (event.target.closest("[data-keys]")) one("#keys")?.showModal();
  });
})();
