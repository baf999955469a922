"use strict";
// The playhead: follows the clip, leads it to where one points, and reads the curves at its place.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const clip = document.getElementById("clip");
  const note = document.getElementById("clip-note");
  const figure = clip && clip.closest(".player");
  const timelines = all(".timeline");
  const duration = timelines.length ? Number(timelines[0].dataset.duration) : 0;
  const NARROWEST = 280, FASTEST = 320, WIDEST = 20000;
  let now = clip ? 0 : timelines.length ? Number(timelines[0].dataset.start) : 0;
  let until = null;
  let playable = Boolean(clip);

  let records = null;
  const observation = () => (records ||= JSON.parse(document.getElementById("emollm-data").textContent).observation);
  const signed = (value, digits) => (Math.abs(value) < 0.5 * 10 ** -digits ? "0" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`);
  const formats = {
    intensity: (value) => value.toFixed(2),
    probability: (value) => value.toFixed(2),
    degrees: (value) => `${signed(value, 0)}°`,
    hertz: (value) => `${value.toFixed(0)} Hz`,
    decibels: (value) => (value < -119.5 ? "no signal" : `${value.toFixed(0).replace("-", "−")} dB`),
  };
  const clock = (seconds) => {
    const tenths = Math.round(seconds * 10);
    if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
    const minutes = Math.floor(tenths / 600), rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
    return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
  };
  const valueAt = (series, time) => {
    const index = Math.floor((time - series.start) / series.step + 1e-6);
    const value = series.values[Math.min(index, time >= duration ? series.values.length - 1 : index)];
    return value === undefined ? null : value;
  };
  const shown = () => timelines.filter((timeline) => !timeline.closest("[hidden]"));

  // ---- what stands at the playhead ---------------------------------------------------------------------------------

  const said = () => {
    const found = observation().cues.filter((cue) => cue.kind === "words" && cue.text !== null && cue.end > 0);
    const phrases = found.length ? found : [{ start: 0, end: 0, text: "" }];
    return phrases;
  };
  let phrases = null;
  const saying = (element) => {
    phrases ||= said();
    const phrase = phrases.find((item) => item.start <= now + 0.05 && now <= item.end);
    const words = observation().words;
    const word = words.findIndex((item) => item.start <= now + 0.02 && now <= item.end);
    element.textContent = "";
    if (word >= 0) {
      const within = (item) => (phrase ? item.start >= phrase.start - 0.05 && item.end <= phrase.end + 0.05 : Math.abs(item.start - words[word].start) < 3);
      words.slice(Math.max(0, word - 40), word + 40).filter(within).forEach((item, i) => {
        const part = document.createElement(item === words[word] ? "b" : "span");
        part.textContent = item.text;
        element.append(i ? " " : "", part);
      });
    } else if (phrase) element.textContent = phrase.text;
  };

  const read = (timeline) => {
    const left = `${Math.min(100, (100 * now) / duration)}%`;
    const head = timeline.querySelector(".playhead");
    head.hidden = false;
    head.style.left = left;
    timeline.querySelector(".now").textContent = clock(now);
    const axis = timeline.querySelector(".times");
    axis.setAttribute("aria-valuenow", now.toFixed(1));
    axis.setAttribute("aria-valuetext", `${clock(now)} of ${clock(duration)}`);
    for (const element of all("[data-series]", timeline)) {
      const value = valueAt(observation().series[Number(element.dataset.series)], now);
      element.textContent = value === null ? "–" : formats[element.dataset.unit](value);
    }
    const line = timeline.querySelector(".saying");
    if (line) saying(line);
  };

  const inView = (timeline) => {
    const scroller = timeline.querySelector(".scroller");
    if (scroller.scrollWidth <= scroller.clientWidth + 1) return;
    const x = (now / duration) * timeline.querySelector(".plot").offsetWidth;
    if (x < scroller.scrollLeft + 20 || x > scroller.scrollLeft + scroller.clientWidth - 40)
      scroller.scrollLeft = x - scroller.clientWidth / 3;
  };

  const update = () => shown().forEach((timeline) => { read(timeline); inView(timeline); });

  // ---- the clip ----------------------------------------------------------------------------------------------------

  const outOfSight = (element) => {
    const box = element.getBoundingClientRect();
    return box.bottom < 0.4 * box.height || box.top > innerHeight - 0.4 * box.height;
  };
  const float = (on) => {
    figure.classList.toggle("floating", on);
    figure.querySelector(".dock").hidden = !on;
  };

  /** Leads clip and playhead to a time; plays on from there if `play`, up to `end` if it is given. */
  const go = (time, { play = false, end = null, from = null } = {}) => {
    now = Math.min(Math.max(time, 0), duration || time);
    until = play ? end : null;
    if (playable) {
      clip.currentTime = now;
      if (play) clip.play().catch(() => {});
      if (from && outOfSight(figure.querySelector(".screen"))) float(true);
    } else if (from && shown().length) shown()[0].scrollIntoView({ block: "nearest" });
    update();
  };

  if (clip) {
    let frame = 0;
    const follow = () => {
      now = clip.currentTime;
      if (until !== null && now >= until) { clip.pause(); until = null; }
      update();
      frame = clip.paused || clip.ended ? 0 : requestAnimationFrame(follow);
    };
    clip.addEventListener("play", () => { if (!frame) frame = requestAnimationFrame(follow); });
    for (const name of ["pause", "seeked", "ended"]) clip.addEventListener(name, () => { if (!frame) { now = clip.currentTime; update(); } });
    clip.addEventListener("error", () => {
      playable = false;
      float(false);
      figure.classList.add("failed");
      note.textContent = "This browser cannot play the clip. The frames, the curves and the times work without it.";
    });
    const poster = document.querySelector(".stage .photo img");
    if (poster && clip.tagName === "VIDEO") clip.poster = poster.src;
    figure.querySelector(".dock").addEventListener("click", () => float(false));
    new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) float(false); }, { threshold: 0.6 }).observe(figure.querySelector(".screen"));
    if (clip.error) clip.dispatchEvent(new Event("error"));
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".at, .moment, .apex, .caption, .event");
    if (!button || !button.dataset.at) return;
    const scrubbed = event.detail && button.matches(".event");  // a pointer on a shaded stretch means the place it points at
    if (scrubbed) return;
    const end = button.dataset.until ? Number(button.dataset.until) : null;
    go(Number(button.dataset.at), { play: button.matches(".at") && end !== null && end > Number(button.dataset.at), end, from: button });
  });

  // ---- pointing and keys -------------------------------------------------------------------------------------------

  const timeOf = (plot, event) => {
    const box = plot.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * duration;
  };
  timelines.forEach((timeline) => {
    const plot = timeline.querySelector(".plot"), axis = timeline.querySelector(".times"), scroller = timeline.querySelector(".scroller");
    let dragging = false;
    const own = (event) => event.target.closest(".apex, .caption");
    plot.addEventListener("pointerdown", (event) => {
      if (event.button || own(event)) return;
      dragging = event.pointerType !== "touch";
      if (dragging) go(timeOf(plot, event));
    });
    window.addEventListener("pointermove", (event) => { if (dragging) go(timeOf(plot, event)); });
    window.addEventListener("pointerup", () => { dragging = false; });
    plot.addEventListener("click", (event) => { if (event.detail && !own(event)) go(timeOf(plot, event)); });
    plot.addEventListener("keydown", (event) => {
      const small = event.shiftKey ? 1 : 0.1, large = Math.max(1, duration / 10);
      const to = { ArrowRight: now + small, ArrowUp: now + small, ArrowLeft: now - small, ArrowDown: now - small, PageUp: now + large, PageDown: now - large, Home: 0, End: duration }[event.key];
      if (to !== undefined) { event.preventDefault(); go(to); }
      if (event.key === " " && event.target === axis && playable) { event.preventDefault(); until = null; if (clip.paused) clip.play().catch(() => {}); else clip.pause(); }
    });

    const zooms = timeline.querySelector(".zooms"), [out, into] = all("button", zooms);
    let zoom = 1;
    const fit = () => {
      const style = getComputedStyle(scroller);
      const width = scroller.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
      if (width <= 0) return;
      const most = Math.max(1, Math.min(duration * FASTEST, WIDEST) / width);
      zoom = Math.min(zoom, 2 ** Math.floor(Math.log2(most)));
      plot.style.width = `${zoom * 100}%`;
      const room = Math.min(64, 2 ** Math.max(0, Math.floor(Math.log2((width * zoom) / NARROWEST))));
      plot.dataset.room = String(room);
      plot.classList.toggle("spelt", Boolean(plot.dataset.words) && width * zoom >= Number(plot.dataset.words));
      zooms.hidden = most < 2;
      out.disabled = zoom <= 1;
      into.disabled = zoom * 2 > most;
    };
    zooms.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      zoom = button.dataset.zoom === "in" ? zoom * 2 : Math.max(1, zoom / 2);
      fit();
      scroller.scrollLeft = (now / duration) * plot.offsetWidth - scroller.clientWidth / 2;
    });
    new ResizeObserver(() => { fit(); if (!timeline.closest("[hidden]")) read(timeline); }).observe(scroller);
  });
  addEventListener("person", update);
  update();
})();
