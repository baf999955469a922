"use strict";
// Leads from a sentence of the conversation to its evidence, and shows the note on first use. Everything is readable without it.
(() => {
  if (window.emollmChat) return;
  window.emollmChat = true;
  const find = (selector) => document.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  const narrow = () => matchMedia("(max-width: 899px)").matches;
  document.documentElement.lang = "en";

  // ---- the note on first use ---------------------------------------------------------------------------------------

  const SEEN = "emollm-chat-notice-1";
  const seen = () => { try { return localStorage.getItem(SEEN); } catch { return null; } };
  const openNotice = () => { const note = find("#notice"); if (note && !note.open) note.showModal(); };
  const acceptNotice = () => {
    try { localStorage.setItem(SEEN, "yes"); } catch { /* asked again the next time */ }
    const note = find("#notice");
    if (note) note.close();
  };

  // ---- evidence ----------------------------------------------------------------------------------------------------

  const frame = () => find("#page");
  const inside = () => { const page = frame(); return page && page.contentDocument && page.contentDocument.body ? page.contentDocument : null; };
  let pressed = null;

  const showPerson = (page, key) => {
    const tab = key && page.getElementById(`${key}-tab`);
    if (tab && tab.getAttribute("aria-selected") !== "true") tab.click();
  };

  /** Puts an element into the evidence that stands for what was chosen outside, and uses it as one would use one of its own. */
  const probe = (page, person, tag, name, data) => {
    all(".probe", page).forEach((old) => old.remove());
    const element = page.createElement(tag);
    element.className = `${name} probe`;
    element.setAttribute("aria-hidden", "true");
    element.tabIndex = -1;
    Object.assign(element.dataset, data);
    (page.getElementById(person) || page.body).append(element);
    element.click();
  };

  const person = (element) => { const message = element.closest("[data-person]"); return message ? message.dataset.person : ""; };

  const release = () => {
    if (pressed) pressed.setAttribute("aria-pressed", "false");
    all(".chosen").forEach((element) => element.classList.remove("chosen"));
    pressed = null;
  };

  /** The evidence comes into sight: its page, and in it the timeline if a time is meant, else the first thing that is lit. */
  const bringIntoSight = (page, timed) => {
    const timeline = timed && all(".timeline", page).find((element) => element.offsetParent);
    const lit = timeline || all(".cue.lit", page).find((element) => element.offsetParent) || all(".event.lit, .caption.lit", page).find((element) => element.offsetParent);
    if (lit) lit.scrollIntoView({ block: timeline ? "end" : "center", behavior: calm });
    if (!narrow()) return;
    find("#panel").scrollIntoView({ block: "start", behavior: calm });
    find("#back").hidden = false;
  };

  const choose = (element) => {
    const page = inside();
    const again = element === pressed;
    release();
    if (!page) return;
    if (again) { page.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" })); all(".lit", page).forEach((lit) => lit.classList.remove("lit")); return; }
    pressed = element;
    if (element.matches(".claim")) element.setAttribute("aria-pressed", "true");
    element.closest(".sentence").classList.add("chosen");
    const key = person(element);
    showPerson(page, key);
    const { cues, from, to, at } = element.dataset;
    probe(page, key, "span", "claim", { cues, ...(from ? { from, to } : {}) });
    if (at) lead(page, key, at);
    bringIntoSight(page, Boolean(at));
  };

  /** The playhead goes to a time; the clip plays from there where there is something to play. */
  const lead = (page, key, at, until) => probe(page, key, "button", "at", { at, ...(until ? { until } : {}) });

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (!target) return;
    if (target.closest("#notice-open")) return openNotice();
    if (target.closest("#notice-accept")) return acceptNotice();
    const back = target.closest("#back");
    if (back) {
      back.hidden = true;
      const from = pressed || find("#conversation");
      from.scrollIntoView({ block: "center", behavior: calm });
      from.focus({ preventScroll: true });
      return;
    }
    if (!target.closest("#conversation")) return;
    const at = target.closest(".at");
    const page = inside();
    if (at && page) {
      const key = person(at);
      showPerson(page, key);
      lead(page, key, at.dataset.at, at.dataset.until);
      bringIntoSight(page, true);
      return;
    }
    const element = target.closest(".claim, .sentence.linked");
    if (element && !(getSelection() || "").toString()) choose(element);
  });

  document.addEventListener("keydown", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (target && target.matches("#conversation .claim") && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      choose(target);
    }
    if (event.key === "Escape" && pressed) choose(pressed);
  });

  // ---- files that are too large are not sent -------------------------------------------------------------------------

  const refuseLarge = (event) => {
    const target = event.target instanceof Element ? event.target : null;
    const given = event.type === "drop" ? event.dataTransfer && event.dataTransfer.files : target && target.files;
    if (!target || !target.closest("#file") || !given) return;
    const limit = find("#limit"), large = [...given].find((file) => file.size > Number(limit.dataset.bytes));
    all(".too-large").forEach((old) => old.remove());
    if (!large) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if ("value" in target) target.value = "";
    const note = document.createElement("article"), line = document.createElement("p");
    note.className = "message notice bad too-large";
    note.setAttribute("role", "alert");
    line.textContent = limit.dataset.line.replace("%FILE%", () => large.name);
    note.append(line);
    find("#conversation").after(note);
    note.scrollIntoView({ block: "nearest", behavior: calm });
  };
  for (const type of ["change", "drop"]) document.addEventListener(type, refuseLarge, true);

  // ---- people: the choice outside and the tabs inside go together ----------------------------------------------------

  const nameOf = (tab) => tab.querySelector("b").textContent.trim();

  document.addEventListener("change", (event) => {
    const target = event.target;
    const page = inside();
    if (!page || !target.closest || !target.closest("#person")) return;
    const tab = all("[role=tab]", page).find((each) => nameOf(each) === target.value);
    if (tab) showPerson(page, tab.dataset.person);
  });

  const watchPeople = (event) => {
    const page = event.target;
    if (!(page instanceof HTMLIFrameElement) || page.id !== "page") return;
    const content = page.contentWindow;
    content.addEventListener("person", () => {
      const tab = content.document.querySelector("[role=tab][aria-selected=true]");
      const name = tab && nameOf(tab);
      const choice = name && all("#person input[type=radio]").find((each) => each.value === name);
      if (choice && !choice.checked) choice.click();
    });
  };
  document.addEventListener("load", watchPeople, true);

  // ---- a question that was heard and waits for its turn ----------------------------------------------------------------

  // The server says that it began by showing Stop; till then the page shows Stop by itself. Nothing may leave it asking for ever: an error,
  // Stop, or a server that is gone gives the question back.
  const PATIENCE = 10000;
  let late = 0;
  const lookForServer = async () => {
    const there = await fetch("gradio_api/app_id", { cache: "no-store" }).then((reply) => reply.ok, () => false);
    if (document.body.classList.contains("asking")) asking(there);
  };
  const asking = (on) => {
    clearTimeout(late);
    document.body.classList.toggle("asking", on);
    const button = find("#ask");
    if (button) button.setAttribute("aria-disabled", String(on));
    if (on) late = setTimeout(lookForServer, PATIENCE);
  };
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    if (event.target.closest("#ask, #examples button")) asking(true);
    if (event.target.closest("#stop")) asking(false);
  });
  document.addEventListener("keydown", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (!target || !target.closest("#question") || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    if (document.body.classList.contains("asking")) { event.preventDefault(); event.stopImmediatePropagation(); return; }
    asking(true);
  }, true);
  const toasts = ".toast-body.error, .toast-wrap .error, [data-testid=toast-body].error";
  const watchErrors = (changes) => {
    if (!document.body.classList.contains("asking")) return;
    const added = changes.flatMap((change) => [...change.addedNodes]).filter((node) => node instanceof Element);
    if (added.some((node) => node.matches(toasts) || node.querySelector(toasts))) asking(false);
  };
  new MutationObserver(watchErrors).observe(document.body, { childList: true, subtree: true });

  // ---- the conversation stays in sight -------------------------------------------------------------------------------

  const follow = () => {
    const column = find("#conversation"), draft = find("#draft");
    if (!column || !draft) return;
    let count = 0;
    new MutationObserver(() => { if (find("#stop:not(.idle)") || draft.querySelector(".message")) asking(false); }).observe(find("#talk"), { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
    new MutationObserver(() => {
      const messages = all("#conversation .message");
      if (messages.length !== count) asking(false);
      if (messages.length > count && messages.length) {
        const last = messages[messages.length - 1];
        const box = last.getBoundingClientRect();
        if (box.bottom > innerHeight || box.top < 0) last.scrollIntoView({ block: box.height > innerHeight * 0.8 ? "start" : "nearest", behavior: calm });
      }
      count = messages.length;
      release();
    }).observe(column, { childList: true, subtree: true });
  };

  const ready = () => {
    if (!find("#notice") || !find("#conversation")) return void setTimeout(ready, 60);
    follow();
    if (!seen()) openNotice();
  };
  ready();
})();
