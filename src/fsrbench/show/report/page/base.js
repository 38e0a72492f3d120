/* What every part of the page uses: making elements, and the data that other files hand in.
   Text from outside reaches the page through textContent alone. */
"use strict";

const fsr = { data: null, pictures: null, copies: "", chunks: new Map(), waiting: new Map() };

/** An element: tag with classes ("td.delta"), attributes or properties, then children (elements or text). */
fsr.make = (what, about, ...children) => {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(about || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
};

/** A difference as an element, in the colour of what it means: its text, and 1 where it is better, -1 where it is worse. */
fsr.delta = ([text, way]) => fsr.make(["span.delta.worse", "span.delta", "span.delta.better"][way + 1], null, text);

fsr.badge = (text, marked = false) => fsr.make(marked ? "span.badge.marked" : "span.badge", null, text);

fsr.title = (arm) => fsr.data.titles[arm];

/** Where a picture lies: beside the page, or in it. */
fsr.picture = (file) => (fsr.pictures ? fsr.pictures[file] : fsr.data.pictures + file);

fsr.hasPicture = (file) => Boolean(file) && (!fsr.pictures || file in fsr.pictures);

/** What must be said of an arm wherever it shows: privileged, noise floor, control; empty for a contender. */
fsr.mark = (arm) => {
  const known = fsr.data.arms.find((one) => one.name === arm);
  return known ? known.mark || (known.role === "control" ? "control" : "") : "";
};

/** The same as a badge, or nothing. */
fsr.marked = (arm) => {
  const mark = fsr.mark(arm);
  return mark ? fsr.badge(mark, mark !== "control") : null;
};

/* ------------------------------------------------------------------ data */

fsr.setData = (data) => {
  fsr.data = data;
};

/** Called where the report is one file: its pictures, and what is to be known of them. */
fsr.setPictures = (pictures, about) => {
  fsr.pictures = pictures;
  fsr.copies = about;
};

/** Called by a file of details: long texts are numbers of lines. */
fsr.setCases = (number, lines, cases) => {
  fsr.chunks.set(number, { lines, cases });
};

/** Details of a case, loaded when they are asked for; null where their file is missing. */
fsr.details = (entry) => {
  const number = Math.floor(entry / fsr.data.chunk);
  const found = () => {
    const chunk = fsr.chunks.get(number);
    if (!chunk) return null;
    const told = chunk.cases[entry % fsr.data.chunk];
    const there = ([key, one]) => [key, one.file && !fsr.hasPicture(one.file) ? { ...one, file: "", why: "it is not in this file." } : one];
    return { ...told, pictures: Object.fromEntries(Object.entries(told.pictures).map(there)), lines: chunk.lines };
  };
  if (fsr.chunks.has(number)) return Promise.resolve(found());
  if (!fsr.waiting.has(number)) {
    const script = fsr.make("script", { src: fsr.data.chunks[number] });
    fsr.waiting.set(
      number,
      new Promise((done) => {
        script.addEventListener("load", done);
        script.addEventListener("error", done);
      }).then(() => {
        fsr.waiting.delete(number);
        script.remove();
      }),
    );
    document.head.append(script);
  }
  return fsr.waiting.get(number).then(found);
};

fsr.text = (lines, numbers) => numbers.map((number) => lines[number]).join("\n");

/* ----------------------------------------------------------------- theme */

fsr.theme = () => {
  const button = document.getElementById("theme");
  const names = { "": "Auto", light: "Light", dark: "Dark" };
  const order = Object.keys(names);
  const show = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = `◐ ${names[theme]}`;
    button.setAttribute("aria-label", `Theme: ${theme || "as the system has it"}. Change`);
  };
  const remembered = () => {
    try {
      return localStorage.getItem("fsrbench-theme") || "";
    } catch {
      return ""; // a browser may forbid it for pages from disk
    }
  };
  show(order.includes(remembered()) ? remembered() : "");
  button.addEventListener("click", () => {
    const next = order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length];
    show(next);
    try {
      localStorage.setItem("fsrbench-theme", next);
    } catch {
      /* then it is forgotten with the page */
    }
  });
};
