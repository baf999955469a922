"use strict";
// Links statements, measurements and parts of the face; everything is readable without it.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const people = all(".person");
  const split = (element, name) => (element.dataset[name] || "").split(" ").filter(Boolean);
  let pinned = null;

  const clear = () => all(".lit").forEach((element) => element.classList.remove("lit"));

  const lightRegions = (person, names) => {
    for (const path of all(`.frame .mesh[data-person="${person.id}"] [data-region]`))
      path.classList.toggle("lit", names.has(path.dataset.region));
  };

  const current = () => people.find((person) => !person.hidden) || people[0];

  /** Places on the timelines that stand for a cue. */
  const echoes = (id) => all("[data-cue]").filter((echo) => echo.dataset.cue === id);

  /** Marks the time of a claim on the timelines. */
  const mark = (element) => {
    for (const band of all(".band")) {
      const length = Number(band.closest(".timeline").dataset.duration);
      band.hidden = !element || !element.dataset.from;
      if (band.hidden) continue;
      band.style.left = `${(100 * Number(element.dataset.from)) / length}%`;
      band.style.width = `${(100 * (Number(element.dataset.to) - Number(element.dataset.from))) / length}%`;
    }
  };

  /** Lights a claim, a cue or a region, and whatever it is linked with. */
  const light = (element) => {
    clear();
    mark(null);
    if (!element) return;
    const person = element.closest(".person") || current();
    let cues = [];
    if (element.matches(".claim")) {
      element.classList.add("lit");
      cues = split(element, "cues").map((id) => document.getElementById(id)).filter(Boolean);
    } else if (element.matches(".cue")) {
      cues = [element];
      all(".claim", person).filter((claim) => split(claim, "cues").includes(element.id)).forEach((claim) => claim.classList.add("lit"));
    } else if (element.matches(".region")) {
      cues = all(".unit", person).filter((cue) => split(cue, "regions").includes(element.dataset.region));
    }
    cues.forEach((cue) => {
      cue.classList.add("lit");
      echoes(cue.id).forEach((echo) => echo.classList.add("lit"));
    });
    lightRegions(person, new Set(cues.flatMap((cue) => split(cue, "regions"))));
    mark(element);
  };

  const pin = (element) => {
    if (pinned && pinned.matches(".claim")) pinned.setAttribute("aria-pressed", "false");
    pinned = element === pinned ? null : element;
    if (pinned && pinned.matches(".claim")) pinned.setAttribute("aria-pressed", "true");
    light(pinned);
  };

  const linked = ".claim, .cue, .region";
  const claimOf = (target) => {
    const why = target.closest(".why");
    if (why) return document.getElementById(why.dataset.of);
    const echo = target.closest("[data-cue]");
    return echo ? document.getElementById(echo.dataset.cue) : target.closest(linked);
  };
  document.addEventListener("pointerover", (event) => {
    const element = event.pointerType === "touch" ? null : claimOf(event.target);
    if (element && !(element.matches(".region") && !element.closest(".current"))) light(element);
    else if (event.pointerType !== "touch") light(pinned);
  });
  document.addEventListener("focusin", (event) => { const element = claimOf(event.target); if (element) light(element); });
  document.addEventListener("focusout", () => light(pinned));
  document.addEventListener("click", (event) => {
    const chip = event.target.closest("a.chip");
    if (chip) {
      event.preventDefault();
      const id = chip.hash.slice(1);
      const cue = echoes(id).find((echo) => echo.matches("button") && echo.offsetParent) || document.getElementById(id);
      const closed = cue.closest("details");
      if (closed) closed.open = true;
      cue.scrollIntoView({ block: "center" });
      cue.focus({ preventScroll: true });
      return;
    }
    const element = event.target.closest("button:not(.event)") ? null : event.target.closest(".event") ? claimOf(event.target) : event.target.closest(".claim, .cue");
    if (element) pin(element);
    else if (pinned && !event.target.closest("button, label, a")) pin(pinned);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && pinned) pin(pinned);
    if ((event.key === "Enter" || event.key === " ") && event.target.matches(".claim, .cue")) {
      event.preventDefault();
      pin(event.target);
    }
  });

  const tabs = all("[role=tab]");
  const select = (id, focus) => {
    if (pinned) pin(pinned);
    clear();
    if (tabs.length) people.forEach((person) => { person.hidden = person.id !== id; });
    for (const tab of tabs) {
      const on = tab.dataset.person === id;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      if (on && focus) tab.focus();
    }
    all(".photo [data-person], .photo[data-person], .closeups [data-person]").forEach((element) => {
      element.classList.toggle("current", element.dataset.person === id);
      element.classList.toggle("aside", element.dataset.person !== id);
    });
    dispatchEvent(new Event("person"));
  };
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => select(tab.dataset.person));
    tab.addEventListener("keydown", (event) => {
      const last = tabs.length - 1;
      const next = { ArrowRight: i === last ? 0 : i + 1, ArrowLeft: i ? i - 1 : last, Home: 0, End: last }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      select(tabs[next].dataset.person, true);
    });
  });
  all("button.face").forEach((face) => face.addEventListener("click", () => {
    select(face.dataset.person);
    document.getElementById("said").textContent = face.getAttribute("aria-label");
  }));

  all("[data-layer]").forEach((box) => {
    const apply = () => document.body.classList.toggle(`hide-${box.dataset.layer}`, !box.checked);
    box.addEventListener("change", apply);
    apply();
  });

  const asked = people.find((person) => `#${person.id}` === location.hash);
  if (people.length) select((asked || people[0]).id);
})();
