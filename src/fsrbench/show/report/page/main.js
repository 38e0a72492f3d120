/* Which part is in sight, and what every key does. The address says what is shown: it can be shared. */
"use strict";

(() => {
  const help = document.getElementById("help");
  const KEYS = [
    ["Anywhere", [["/", "search for a case"], ["g s, g p, g c", "go to the summary, the plots, the cases"], ["t", "light, dark, or as the system has it"], ["?", "this help"]]],
    ["List of cases", [["↑ ↓ or k j", "walk through the rows"], ["Enter", "open the case"]]],
    ["One case", [["← → or k j", "previous and next case"], ["a", "next arm"], ["1 … 9", "what stands on the right: LR, pure, the arms, reference"], ["Shift + 1 … 9", "what stands on the left"], ["x", "swap left and right"], ["[ ]", "move the slider"], ["s", "side by side, or over each other"], ["+ − 0", "zoom in, zoom out, fit"], ["Shift + arrows", "move the picture"], ["Esc", "back to the list"]]],
    ["Mouse and fingers", [["wheel or pinch", "zoom"], ["drag", "move the slider; when zoomed, the picture"], ["double click", "zoom in, and back"]]],
  ];

  const views = [...document.querySelectorAll("main > .view")];

  const route = () => {
    const row = fsr.row(location.hash);
    const wanted = row >= 0 || new URLSearchParams(location.hash.slice(1)).has("case") ? "cases" : location.hash.slice(1);
    const view = views.some((one) => one.id === wanted) ? wanted : "summary";
    for (const one of views) one.hidden = one.id !== view;
    for (const link of document.querySelectorAll("nav a")) {
      if (link.dataset.view === view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (document.body.dataset.view !== view) scrollTo(0, 0);
    document.body.dataset.view = view;
    if (view === "cases") fsr.list.draw(true);
    if (row >= 0) fsr.case.show(row);
    else {
      fsr.case.hide();
      if (location.hash.includes("case=")) document.getElementById("count").textContent = "The address names a case that is not in this report.";
    }
  };

  const showHelp = () => {
    if (help.open) {
      help.close();
      return;
    }
    help.showModal();
  };

  const buildHelp = () => {
    const { make } = fsr;
    help.append(
      make("header", null, make("h2", { id: "help-title" }, "Keys"), make("button", { type: "button", "aria-label": "Close", onclick: () => help.close() }, "✕")),
      make("div.keylists", null, KEYS.map(([title, keys]) => make("section", null, make("h3", null, title), make("dl", null, keys.map(([key, what]) => make("div", null, make("dt", null, make("kbd", null, key)), make("dd", null, what))))))),
    );
    help.addEventListener("click", (event) => event.target === help && help.close());
  };

  const typing = (element) => element.closest("input, select, textarea") !== null;

  let going = 0; // when g was pressed

  const anywhere = (event) => {
    const { key } = event;
    if (Date.now() - going < 900 && ["s", "p", "c"].includes(key)) {
      location.hash = { s: "#summary", p: "#plots", c: "#cases" }[key];
      going = 0;
      return true;
    }
    going = key === "g" ? Date.now() : 0;
    if (key === "?") showHelp();
    else if (key === "t") document.getElementById("theme").click();
    else if (key === "/") {
      location.hash = "#cases";
      route();
      document.getElementById("f-name").focus();
      document.getElementById("f-name").select();
    } else return key === "g";
    return true;
  };

  const inCase = (event) => {
    const { viewer } = fsr;
    const arrow = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (arrow && event.shiftKey) viewer.pan(arrow[0] * 60, arrow[1] * 60);
    else if (/^Digit[1-9]$/.test(event.code)) {
      const key = viewer.keys()[Number(event.code.slice(5)) - 1];
      if (key) viewer.choose(event.shiftKey ? "left" : "right", key);
    } else {
      const action = {
        ArrowLeft: () => fsr.case.step(-1),
        ArrowRight: () => fsr.case.step(1),
        k: () => fsr.case.step(-1),
        j: () => fsr.case.step(1),
        a: fsr.case.nextArm,
        x: viewer.swap,
        s: viewer.turnSide,
        "+": () => viewer.zoomBy(1.5),
        "=": () => viewer.zoomBy(1.5),
        "-": () => viewer.zoomBy(1 / 1.5),
        0: viewer.fitAll,
        "[": () => viewer.wipeTo(viewer.state.wipe - 0.05),
        "]": () => viewer.wipeTo(viewer.state.wipe + 0.05),
      }[event.key];
      if (!action) return false;
      action();
    }
    return true;
  };

  const inList = (event) => {
    const by = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (!by || document.body.dataset.view !== "cases") return false;
    const next = fsr.list.step(by);
    if (next >= 0) fsr.list.select(next, true);
    return true;
  };

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && event.target.id === "f-name") {
      event.target.blur();
      return;
    }
    if (typing(event.target)) return;
    if (help.open) {
      if (event.key === "?") showHelp();
      return;
    }
    const taken = (fsr.case.isOpen() ? inCase(event) : inList(event)) || anywhere(event);
    if (taken) event.preventDefault();
  });

  fsr.theme();
  if (!fsr.data) {
    document.querySelector("main").prepend(fsr.make("p", { role: "alert" }, "This folder is not whole: data.js is missing or damaged, so that no case can be shown. Copy all of it, or make it again: fsrbench report RUN"));
    return;
  }
  buildHelp();
  document.getElementById("keys").addEventListener("click", showHelp);
  fsr.list.start((row) => {
    location.hash = fsr.link(row);
  });
  addEventListener("hashchange", route);
  route();
})();
