/* Two pictures of one case over each other or side by side, with one zoom and one place for both.
   Zoom counts screen pixels for each pixel of the restoration; an input is enlarged without smoothing. */
"use strict";

fsr.viewer = (() => {
  const MOST = 32;
  const state = { left: "pure:", right: "pure:", wipe: 0.5, side: false, zoom: 0, x: 0, y: 0, fitted: true };
  let told = null; // the case that is shown
  let names = () => "";
  let parts = null; // the elements

  const size = () => (told && told.size[0] ? told.size : [512, 512]);
  const stage = () => parts.stage.getBoundingClientRect();
  const pane = () => {
    const { width, height } = stage();
    return { width: state.side ? width / 2 : width, height };
  };
  const fit = () => {
    const { width, height } = pane();
    return Math.min(width / size()[0], height / size()[1]) || 1;
  };

  /* -------------------------------------------------------------- shown */

  const place = () => {
    const { width, height } = pane();
    const [w, h] = size();
    const least = fit();
    if (state.fitted || state.zoom <= least) Object.assign(state, { zoom: least, x: w / 2, y: h / 2, fitted: true });
    state.zoom = Math.min(Math.max(MOST, least), state.zoom);
    const inside = (at, half, all) => (half * 2 >= all ? all / 2 : Math.min(all - half, Math.max(half, at)));
    state.x = inside(state.x, width / 2 / state.zoom, w);
    state.y = inside(state.y, height / 2 / state.zoom, h);
    const left = Math.round(width / 2 - state.x * state.zoom);
    const top = Math.round(height / 2 - state.y * state.zoom);
    for (const one of [parts.left, parts.right]) {
      one.image.style.width = `${w}px`;
      one.image.style.height = `${h}px`;
      one.image.style.transform = `translate(${left}px, ${top}px) scale(${state.zoom})`;
      one.image.classList.toggle("pixels", one.key === "lr" || state.zoom * devicePixelRatio >= 2);
    }
    parts.stage.classList.toggle("side", state.side);
    parts.stage.classList.toggle("zoomed", !state.fitted);
    parts.right.pane.style.clipPath = state.side ? "none" : `inset(0 0 0 ${state.wipe * 100}%)`;
    parts.handle.style.left = `${state.wipe * 100}%`;
    parts.handle.setAttribute("aria-valuenow", String(Math.round(state.wipe * 100)));
    parts.handle.setAttribute("aria-valuetext", `${Math.round(state.wipe * 100)} % ${names(state.left)}`);
    parts.zoom.textContent = `${Math.round(state.zoom * 100)} %`;
    parts.mode.setAttribute("aria-pressed", String(state.side));
  };

  const put = (one, key) => {
    const picture = told.pictures[key];
    one.key = key;
    const other = picture && picture.file && (picture.size[0] !== size()[0] || picture.size[1] !== size()[1]);
    const shown = other ? `${names(key)}, ${picture.size[0]}×${picture.size[1]} enlarged` : names(key);
    one.label.replaceChildren(...[fsr.make("span", null, shown), fsr.marked(key.split(":")[0])].filter(Boolean));
    const say = (why) => {
      one.image.hidden = true;
      one.why.hidden = false;
      one.why.textContent = `${names(key)} cannot be shown: ${why}`;
    };
    one.image.onload = null;
    one.image.onerror = null;
    if (!picture || !picture.file) {
      one.image.removeAttribute("src");
      say(picture ? picture.why : "there is none.");
      return;
    }
    one.why.hidden = true;
    one.image.hidden = false;
    one.image.onerror = () => say("its file is missing or damaged.");
    one.image.alt = `${names(key)}, ${picture.size[0]}×${picture.size[1]}`;
    const source = fsr.picture(picture.file);
    if (one.image.getAttribute("src") !== source) one.image.src = source;
  };

  const update = () => {
    put(parts.left, state.left);
    put(parts.right, state.right);
    parts.chooseLeft.value = state.left;
    parts.chooseRight.value = state.right;
    const [one, other] = [told.pictures[state.left], told.pictures[state.right]];
    parts.same.hidden = !(one && other && one.file && one.file === other.file && state.left !== state.right);
    parts.same.textContent = `${names(state.left)} and ${names(state.right)} are the same picture, pixel by pixel.`;
    place();
  };

  const choose = (where, key) => {
    state[where] = key;
    update();
  };

  /* -------------------------------------------------------------- moved */

  const wipeTo = (share) => {
    state.wipe = Math.min(1, Math.max(0, share));
    place();
  };

  const pan = (dx, dy) => {
    state.x -= dx / state.zoom;
    state.y -= dy / state.zoom;
    place();
  };

  /** Zoom by a factor around a point of the stage, which stays where it is. */
  const zoomBy = (factor, at = null) => {
    const { width, height } = pane();
    const point = at || { x: width / 2, y: height / 2 };
    const px = (state.side && point.x > width ? point.x - width : point.x) - width / 2;
    const py = point.y - height / 2;
    const next = Math.min(Math.max(MOST, fit()), Math.max(fit(), state.zoom * factor));
    state.x += px / state.zoom - px / next;
    state.y += py / state.zoom - py / next;
    state.fitted = next <= fit();
    state.zoom = next;
    place();
  };

  const fitAll = () => {
    state.fitted = true;
    place();
  };

  /** Show a region (x0, y0, x1, y1) as large as it goes. */
  const look = ([x0, y0, x1, y1]) => {
    const { width, height } = pane();
    state.zoom = Math.min(width / (x1 - x0), height / (y1 - y0)) * 0.94;
    Object.assign(state, { x: (x0 + x1) / 2, y: (y0 + y1) / 2, fitted: false });
    place();
  };

  const turnSide = () => {
    state.side = !state.side;
    place();
  };

  const swap = () => {
    [state.left, state.right] = [state.right, state.left];
    update();
  };

  const listen = () => {
    const { stage: area, handle } = parts;
    const fingers = new Map();
    let wiping = false;
    const at = (event) => {
      const box = stage();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    const spread = () => {
      const [a, b] = [...fingers.values()];
      return { far: Math.hypot(a.x - b.x, a.y - b.y) || 1, x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
    };
    area.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      area.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, at(event));
      wiping = fingers.size === 1 && !state.side && (handle.contains(event.target) || state.fitted);
      if (wiping) wipeTo(at(event).x / stage().width);
    });
    area.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      const now = at(event);
      if (fingers.size === 2) {
        const old = spread();
        fingers.set(event.pointerId, now);
        const next = spread();
        zoomBy(next.far / old.far, next);
        pan(next.x - old.x, next.y - old.y);
        return;
      }
      fingers.set(event.pointerId, now);
      if (wiping) wipeTo(now.x / stage().width);
      else if (fingers.size === 1) pan(now.x - before.x, now.y - before.y);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      area.addEventListener(end, (event) => {
        fingers.delete(event.pointerId);
        wiping = false;
      });
    }
    area.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), at(event));
      },
      { passive: false },
    );
    area.addEventListener("dblclick", (event) => (state.fitted ? zoomBy(4 / state.zoom, at(event)) : fitAll()));
    handle.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 }[event.key];
      if (!step || event.shiftKey) return;
      event.preventDefault();
      event.stopPropagation();
      wipeTo(state.wipe + step);
    });
    new ResizeObserver(() => told && place()).observe(area);
  };

  /** The elements of the viewer, made once. */
  const make = () => {
    const { make: m } = fsr;
    const half = (side) => {
      const image = m("img", { draggable: "false", alt: "" });
      const why = m("p.why", { hidden: true });
      const label = m("span.label");
      return { image, why, label, key: "", pane: m(`div.pane.${side}`, null, image, why, label) };
    };
    const button = (text, label, key, action) => m("button", { type: "button", title: `${label} (${key})`, "aria-label": label, onclick: action }, text);
    parts = { left: half("left"), right: half("right") };
    parts.handle = m("div.handle", { role: "slider", tabindex: "0", "aria-label": "Where the left picture ends", "aria-valuemin": "0", "aria-valuemax": "100" }, m("span", { "aria-hidden": "true" }, "‹ ›"));
    parts.stage = m("div.stage", null, parts.left.pane, parts.right.pane, parts.handle);
    parts.chooseLeft = m("select", { id: "v-left", onchange: (event) => choose("left", event.target.value) });
    parts.chooseRight = m("select", { id: "v-right", onchange: (event) => choose("right", event.target.value) });
    parts.zoom = m("output", { "aria-live": "off" });
    parts.mode = button("Side by side", "Side by side", "s", turnSide);
    parts.same = m("p.same", { hidden: true, role: "status" });
    parts.root = m(
      "div.viewer",
      null,
      m(
        "div.bar",
        null,
        m("label", null, m("span", null, "Left"), parts.chooseLeft),
        button("⇄", "Swap left and right", "x", swap),
        m("label", null, m("span", null, "Right"), parts.chooseRight),
        m("span.space"),
        parts.mode,
        m("span.zooms", null, button("−", "Zoom out", "−", () => zoomBy(1 / 1.5)), parts.zoom, button("+", "Zoom in", "+", () => zoomBy(1.5)), button("Fit", "Fit the picture", "0", fitAll)),
      ),
      parts.stage,
      parts.same,
      fsr.pictures ? m("p.same", null, fsr.copies) : null,
    );
    listen();
    return parts.root;
  };

  /** Show a case: which pictures there are, what they are called, and which two are compared. */
  const show = (details, namer, left, right) => {
    told = details;
    names = namer;
    const options = () =>
      Object.keys(told.pictures).map((key) => {
        const mark = fsr.mark(key.split(":")[0]);
        return fsr.make("option", { value: key }, names(key) + (mark ? ` (${mark})` : ""));
      });
    parts.chooseLeft.replaceChildren(...options());
    parts.chooseRight.replaceChildren(...options());
    state.left = left;
    state.right = right;
    update();
  };

  return { make, show, choose, swap, turnSide, zoomBy, pan, fitAll, look, wipeTo, state, keys: () => Object.keys(told.pictures) };
})();
