/* One person's choices: two pictures at a time, shown when both have loaded, chosen between by key or button.
   Who made a picture is not known here. Text from outside reaches the page through textContent alone. */
"use strict";

const rate = (() => {
  const $ = (id) => document.getElementById(id);
  const handed = JSON.parse($("handed").textContent);
  const KEYS = { ArrowLeft: "first", ArrowDown: "tie", ArrowRight: "second" };
  const MOST = 16;
  const SHOWN = 160; // milliseconds for which a choice stands before the next pair comes
  const state = { rater: "", showings: [], done: new Map(), at: 0, since: null, busy: false };
  const view = { zoom: 1, x: 0.5, y: 0.5 };
  const figures = Object.fromEntries(["left", "right", "input", "reference"].map((name) => [name, $(name)]));

  /* ------------------------------------------------------- where choices go */

  const ask = async (what, body) => {
    const reply = await fetch(what, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const told = await reply.json().catch(() => ({ error: `The server answered ${reply.status}.` }));
    if (!reply.ok) throw new Error(told.error);
    return told;
  };

  /** Choices go to the server, which has them on disk when it answers. */
  const served = {
    begin: (rater) => ask("begin", { rater }),
    keep: (answer) => ask("choose", { rater: state.rater, ...answer }),
  };

  /** Choices stay in this browser until they are saved as a file. */
  const exported = {
    place: () => `fsrbench ${handed.export} ${state.rater}`,
    answers: () => state.showings.map((one) => state.done.get(one.id)).filter(Boolean),
    begin: async (rater) => {
      const name = rater.trim().split(/\s+/).join(" ");
      const sum = [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 65521, 7);
      state.rater = name;
      let kept = [];
      try {
        kept = JSON.parse(localStorage.getItem(exported.place()) || "[]");
      } catch {
        trouble("This browser keeps nothing: save the file before you close the page.");
      }
      const done = Object.fromEntries(kept.map((answer) => [answer.id, answer]));
      return { rater: name, showings: handed.sheets[sum % handed.sheets.length], done };
    },
    keep: async (answer) => {
      const all = [...exported.answers().filter((one) => one.id !== answer.id), answer];
      try {
        localStorage.setItem(exported.place(), JSON.stringify(all));
      } catch {
        trouble("This browser keeps nothing: save the file before you close the page.");
      }
    },
    save: () => {
      const told = { fsrbench: "choices", format: 1, rater: state.rater, answers: exported.answers() };
      const address = URL.createObjectURL(new Blob([JSON.stringify(told, null, 1)], { type: "application/json" }));
      const link = document.createElement("a");
      link.href = address;
      link.download = `choices-${state.rater.replace(/[^\p{L}\p{N}]+/gu, "-")}.json`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(address), 10000);
    },
  };

  const source = handed.sheets ? exported : served;

  /* ------------------------------------------------------------------ shown */

  const page = (name) => {
    for (const id of ["welcome", "rating", "done"]) $(id).hidden = id !== name;
  };

  const trouble = (why) => {
    $("trouble").hidden = !why;
    $("trouble").textContent = why;
  };

  const loaded = new Map();

  /** A picture that can be shown at once; each is loaded once. */
  const load = (name) => {
    if (!loaded.has(name)) {
      const image = new Image();
      image.src = `pictures/${name}.png`;
      loaded.set(name, image.decode().then(() => image));
      loaded.get(name).catch(() => loaded.delete(name));
    }
    return loaded.get(name);
  };

  const parts = (one) => Object.keys(figures).filter((part) => one[part]);

  const ready = (one) => Promise.all(parts(one).map((part) => load(one[part])));

  const minutes = (seconds) => (seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`);

  const tell = () => {
    const all = state.showings.length;
    const taken = [...state.done.values()].map((one) => one.seconds).filter((one) => one !== null && one < 120);
    const spent = taken.reduce((sum, one) => sum + one, 0);
    const left = taken.length >= 3 ? ` · about ${minutes((spent / taken.length) * (all - state.done.size))} left` : "";
    $("progress").max = all;
    $("progress").value = state.done.size;
    $("count").textContent = `${Math.min(state.at + 1, all)} of ${all}`;
    $("time").textContent = taken.length ? `${minutes(spent)}${left}` : "";
    $("undo").disabled = state.at === 0;
  };

  const mark = (side) => {
    for (const button of document.querySelectorAll("[data-side]")) button.classList.toggle("chosen", button.dataset.side === side);
    figures.left.classList.toggle("chosen", side === "first");
    figures.right.classList.toggle("chosen", side === "second");
  };

  /** Show the pair at hand, once all of its pictures are there. */
  const show = async () => {
    const at = state.at;
    const one = state.showings[at];
    state.since = null;
    if (!one) return finish();
    page("rating");
    tell();
    $("case").textContent = one.case;
    $("stage").classList.add("waiting");
    const slow = setTimeout(() => ($("loading").hidden = false), 300);
    try {
      await ready(one);
    } catch {
      if (state.at === at) trouble("A picture of this pair cannot be loaded. Load the page again.");
      return;
    } finally {
      clearTimeout(slow);
      $("loading").hidden = true;
    }
    if (state.at !== at) return;
    for (const [part, figure] of Object.entries(figures)) {
      figure.hidden = !one[part];
      if (one[part]) figure.querySelector("img").src = `pictures/${one[part]}.png`;
    }
    const first = await load(one.left);
    await Promise.all(parts(one).map((part) => figures[part].querySelector("img").decode().catch(() => null)));
    if (state.at !== at) return;
    $("stage").style.setProperty("--aspect", first.naturalWidth / first.naturalHeight);
    Object.assign(view, { zoom: 1, x: 0.5, y: 0.5 });
    place();
    mark((state.done.get(one.id) || {}).chosen);
    $("stage").classList.remove("waiting");
    state.since = performance.now();
    const next = state.showings[at + 1];
    if (next) ready(next).catch(() => null);
    const past = at > 1 ? state.showings[at - 2] : null;
    if (past) for (const part of ["left", "right"]) loaded.delete(past[part]);
  };

  const finish = () => {
    page("done");
    $("who").textContent = state.rater;
    $("all").textContent = `Those were all ${state.showings.length} pairs.`;
    $("kept").hidden = source === exported;
    $("send").hidden = $("file").hidden = source !== exported;
    (source === exported ? $("file") : $("another")).focus();
  };

  /* ----------------------------------------------------------------- chosen */

  const choose = async (side) => {
    const one = state.showings[state.at];
    if (!one || state.since === null || state.busy) return;
    state.busy = true;
    const seconds = Math.round(performance.now() - state.since) / 1000;
    const answer = { id: one.id, chosen: side, seconds, at: new Date().toISOString() };
    mark(side);
    try {
      await Promise.all([source.keep(answer), new Promise((wake) => setTimeout(wake, SHOWN))]);
      state.done.set(one.id, answer);
      trouble("");
      state.at += 1;
      show();
    } catch (error) {
      mark((state.done.get(one.id) || {}).chosen);
      trouble(`This choice is not stored (${error.message}). Choose again; if that does not help, ask whoever started the page.`);
    } finally {
      state.busy = false;
    }
  };

  const undo = () => {
    if (state.busy || state.at === 0) return;
    state.at -= 1;
    show();
  };

  const begin = async (event) => {
    event.preventDefault();
    $("refused").hidden = true;
    try {
      const told = await source.begin($("rater").value);
      Object.assign(state, { rater: told.rater, showings: told.showings, done: new Map(Object.entries(told.done)) });
      const first = state.showings.findIndex((one) => !state.done.has(one.id));
      state.at = first < 0 ? state.showings.length : first;
      $("rater").blur();
      show();
    } catch (error) {
      $("refused").hidden = false;
      $("refused").textContent = error instanceof TypeError ? "The server does not answer. Is the command still running?" : error.message;
    }
  };

  const welcome = () => {
    trouble("");
    page("welcome");
    $("rater").value = "";
    $("rater").focus();
  };

  /* ----------------------------------------------------------------- looked */

  /** The same part of every picture, whatever its size. */
  const place = () => {
    const edge = 0.5 / view.zoom;
    view.x = Math.min(1 - edge, Math.max(edge, view.x));
    view.y = Math.min(1 - edge, Math.max(edge, view.y));
    for (const image of document.querySelectorAll(".frame img")) {
      image.style.transform = `scale(${view.zoom}) translate(${(0.5 - view.x) * 100}%, ${(0.5 - view.y) * 100}%)`;
    }
    $("stage").classList.toggle("zoomed", view.zoom > 1);
    $("zoom").textContent = `⌕ ${Math.round(view.zoom * 100)} %`;
  };

  /** Zoom by a factor around a place (0 to 1 of the frame), which stays where it is. */
  const zoomBy = (factor, x = 0.5, y = 0.5) => {
    const next = Math.min(MOST, Math.max(1, view.zoom * factor));
    view.x += (x - 0.5) * (1 / view.zoom - 1 / next);
    view.y += (y - 0.5) * (1 / view.zoom - 1 / next);
    view.zoom = next;
    place();
  };

  const zoomOn = (x, y) => zoomBy(view.zoom >= 4 ? 0 : view.zoom >= 2 ? 4 / view.zoom : 2 / view.zoom, x, y);

  const move = (dx, dy) => {
    view.x -= dx / view.zoom;
    view.y -= dy / view.zoom;
    place();
  };

  const listen = (frame) => {
    const fingers = new Map();
    const at = (event) => {
      const box = frame.getBoundingClientRect();
      return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
    };
    const spread = () => {
      const [a, b] = [...fingers.values()];
      return { far: Math.hypot(a.x - b.x, a.y - b.y) || 1, x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
    };
    frame.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      frame.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, at(event));
    });
    frame.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      const old = fingers.size === 2 ? spread() : null;
      const now = at(event);
      fingers.set(event.pointerId, now);
      if (old) {
        const next = spread();
        zoomBy(next.far / old.far, next.x, next.y);
        move(next.x - old.x, next.y - old.y);
      } else if (fingers.size === 1) move(now.x - before.x, now.y - before.y);
    });
    for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, (event) => fingers.delete(event.pointerId));
    frame.addEventListener("dblclick", (event) => zoomOn(at(event).x, at(event).y));
    const wheel = (event) => {
      event.preventDefault();
      zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), at(event).x, at(event).y);
    };
    frame.addEventListener("wheel", wheel, { passive: false });
  };

  const press = (event) => {
    if ($("rating").hidden || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowLeft: [0.2, 0], ArrowRight: [-0.2, 0], ArrowUp: [0, 0.2], ArrowDown: [0, -0.2] }[event.key];
    if (event.shiftKey && step) move(...step);
    else if (KEYS[event.key]) choose(KEYS[event.key]);
    else if (event.key === "z") zoomOn();
    else if (event.key === "u" || event.key === "Backspace") undo();
    else return;
    event.preventDefault();
  };

  /* ------------------------------------------------------------------ begun */

  for (const frame of document.querySelectorAll(".frame")) listen(frame);
  for (const button of document.querySelectorAll("[data-side]")) {
    button.addEventListener("click", () => {
      button.blur();
      choose(button.dataset.side);
    });
  }
  document.addEventListener("keydown", press);
  $("begin").addEventListener("submit", begin);
  $("zoom").addEventListener("click", () => zoomOn());
  for (const id of ["undo", "back"]) $(id).addEventListener("click", undo);
  for (const id of ["save", "file"]) $(id).addEventListener("click", exported.save);
  $("save").hidden = source !== exported;
  $("another").addEventListener("click", welcome);
  welcome();

  return { state, view };
})();
