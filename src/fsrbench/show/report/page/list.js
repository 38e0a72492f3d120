/* The list of all cases: which rows are wanted, in which order, and only the few in sight in the document. */
"use strict";

fsr.list = (() => {
  const by = (id) => document.getElementById(id);
  const TESTS = {
    any: "anything",
    better: "better than pure",
    worse: "worse than pure",
    clear: "better by more than the noise floor",
    harm: "worse by more than the noise floor",
    same: "exactly none",
    missing: "missing",
    least: "at least …",
    most: "at most …",
  };
  const SPARE = 8; // rows kept above and below what is in sight
  let shown = new Int32Array(0); // rows that are wanted, in order
  let sort = { key: "change", down: true }; // change: how much, whichever way, in the first metric that has a difference
  let current = -1; // the row that was opened or walked to last
  let names = []; // case names in lower case, for the search
  let ranks = new Int32Array(0); // entry → place of its name in the alphabet
  let opened = () => {};
  let timer = 0;

  /* ------------------------------------------------------------ wanted */

  const state = () => ({
    name: by("f-name").value.trim().toLowerCase(),
    family: Number(by("f-family").value),
    arm: Number(by("f-arm").value),
    outcome: Number(by("f-outcome").value),
    tag: by("f-tag").value,
    metric: by("f-metric").value,
    test: by("f-test").value,
    limit: by("f-limit").value === "" ? null : Number(by("f-limit").value),
  });

  const tester = ({ metric, test, limit }) => {
    const { data } = fsr;
    const about = data.metrics.find((one) => one.name === metric);
    if (!about || test === "any" || ((test === "least" || test === "most") && limit === null)) return null;
    const values = data.deltas[metric];
    const gain = about.better === "higher" ? 1 : -1;
    const floor = (row) => ((data.floors[data.families[data.family[data.rows.entry[row]]]] || {})[metric] || 0);
    return {
      better: (row) => values[row] !== null && values[row] * gain > 0,
      worse: (row) => values[row] !== null && values[row] * gain < 0,
      clear: (row) => values[row] !== null && values[row] * gain > floor(row),
      harm: (row) => values[row] !== null && values[row] * gain < -floor(row),
      same: (row) => values[row] === 0,
      missing: (row) => values[row] === null,
      least: (row) => values[row] !== null && values[row] >= limit,
      most: (row) => values[row] !== null && values[row] <= limit,
    }[test];
  };

  const filter = () => {
    const { data } = fsr;
    const { rows } = data;
    const wanted = state();
    const measured = tester(wanted);
    const tagged = wanted.tag === "" ? null : data.tagsets.map((tags) => tags.includes(wanted.tag));
    const named = wanted.name === "" ? null : names.map((name) => name.includes(wanted.name));
    const found = [];
    for (let row = 0; row < rows.entry.length; row += 1) {
      const entry = rows.entry[row];
      if (wanted.family >= 0 && data.family[entry] !== wanted.family) continue;
      if (wanted.arm >= 0 && rows.arm[row] !== wanted.arm) continue;
      if (wanted.outcome >= 0 && rows.outcome[row] !== wanted.outcome) continue;
      if (tagged && !tagged[rows.tags[row]]) continue;
      if (named && !named[entry]) continue;
      if (measured && !measured(row)) continue;
      found.push(row);
    }
    return Int32Array.from(found);
  };

  /** A number to sort each row by; null sorts last either way. */
  const keyed = () => {
    const { data } = fsr;
    const { rows } = data;
    if (sort.key.startsWith("delta:")) return (row) => data.deltas[sort.key.slice(6)][row];
    if (sort.key === "change") return (row) => (data.deltas[data.by][row] === null ? null : Math.abs(data.deltas[data.by][row]));
    if (sort.key === "case") return (row) => ranks[rows.entry[row]];
    if (sort.key === "family") return (row) => data.family[rows.entry[row]];
    return (row) => rows[sort.key][row];
  };

  const order = (found) => {
    const key = keyed();
    const { rows } = fsr.data;
    const values = new Float64Array(rows.entry.length);
    for (const row of found) {
      const value = key(row);
      values[row] = value === null ? Infinity : sort.down ? -value : value;
    }
    return found.sort((a, b) => (values[a] < values[b] ? -1 : values[a] > values[b] ? 1 : a - b));
  };

  const refresh = () => {
    const started = performance.now();
    shown = order(filter());
    by("scroller").scrollTop = 0;
    by("count").textContent = said();
    by("nothing").hidden = shown.length > 0;
    heads();
    draw(true);
    api.took = performance.now() - started;
  };

  const said = () => {
    const all = fsr.data.rows.entry.length;
    const count = shown.length === all ? `${all.toLocaleString("en")} rows` : `${shown.length.toLocaleString("en")} of ${all.toLocaleString("en")} rows`;
    return fsr.data.arms.length > 1 ? `${count}, one for each arm of a case` : count;
  };

  /* ------------------------------------------------------------- drawn */

  const columns = () => [
    { key: "case", text: "Case", kind: "name" },
    { key: "family", text: "Family", kind: "family" },
    { key: "arm", text: "Arm", kind: "arm" },
    { key: "outcome", text: "Decision", kind: "outcome" },
    { key: "score", text: "Score", kind: "score number" },
    ...fsr.data.metrics.map((metric) => ({ key: `delta:${metric.name}`, text: `Δ ${metric.heading}`, kind: "number" })),
  ];

  const sortBy = (key) => {
    sort = sort.key === key ? { key, down: !sort.down } : { key, down: key.startsWith("delta:") || key === "score" };
    refresh();
  };

  const heads = () => {
    const cells = columns().map(({ key, text, kind }) => {
      const active = sort.key === key;
      const arrow = active ? (sort.down ? " ▾" : " ▴") : "";
      return fsr.make(
        "th",
        { scope: "col", class: kind, "aria-sort": active ? (sort.down ? "descending" : "ascending") : "none" },
        fsr.make("button", { type: "button", "data-sort": key, onclick: () => sortBy(key) }, text + arrow),
      );
    });
    const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.sort : null;
    by("list").tHead.replaceChildren(fsr.make("tr", { "aria-rowindex": "1" }, cells));
    if (focused) by("list").tHead.querySelector(`[data-sort="${CSS.escape(focused)}"]`)?.focus();
    by("f-sort").value = `${sort.key}${sort.down ? " down" : ""}`;
  };

  const height = () => parseFloat(getComputedStyle(by("list")).getPropertyValue("--row")) || 56;

  const line = (row, place) => {
    const { data } = fsr;
    const { rows } = data;
    const entry = rows.entry[row];
    const arm = data.arms[rows.arm[row]];
    const tags = data.tagsets[rows.tags[row]];
    const file = rows.picture[row];
    return fsr.make(
      "tr",
      { "aria-rowindex": String(place + 2), class: row === current ? "current" : null, "data-row": String(row) },
      fsr.make(
        "th.name",
        { scope: "row" },
        fsr.make("span.thumb", { "data-file": fsr.hasPicture(file) ? file : null, "aria-hidden": "true" }),
        fsr.make("a", { href: fsr.link(row), title: data.case[entry] }, data.case[entry]),
      ),
      fsr.make("td.family", null, fsr.make("span", null, data.families[data.family[entry]]), data.standins[data.family[entry]] ? fsr.badge(data.standins[data.family[entry]], true) : null),
      fsr.make("td.arm", null, fsr.make("span", null, arm.title), fsr.marked(arm.name)),
      fsr.make("td.outcome", null, fsr.make("span", null, data.outcomes[rows.outcome[row]] || "—"), tags.length ? fsr.make("small", null, tags.join(", ")) : null),
      fsr.make("td.score.number", null, data.texts[rows.scored[row]][0]),
      data.metrics.map((metric) => fsr.make("td.number", { "data-label": metric.label }, fsr.delta(data.texts[data.shown[metric.name][row]]))),
    );
  };

  let drawn = { first: -1, last: -1 };

  const draw = (afresh = false) => {
    const scroller = by("scroller");
    const each = height();
    const first = Math.max(0, Math.floor(scroller.scrollTop / each) - SPARE);
    const last = Math.min(shown.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / each) + SPARE);
    if (!afresh && first === drawn.first && last === drawn.last) return;
    drawn = { first, last };
    const focused = document.activeElement && document.activeElement.closest ? document.activeElement.closest("tr[data-row]") : null;
    const lines = [];
    for (let place = first; place < last; place += 1) lines.push(line(shown[place], place));
    const gap = (count) => {
      const cell = fsr.make("td", { colSpan: columns().length });
      cell.style.height = `${count * each}px`;
      return fsr.make("tr.gap", { "aria-hidden": "true" }, cell);
    };
    by("list").setAttribute("aria-rowcount", String(shown.length + 1));
    by("list").tBodies[0].replaceChildren(gap(first), ...lines, gap(shown.length - last));
    if (focused) by("list").querySelector(`tr[data-row="${focused.dataset.row}"] a`)?.focus({ preventScroll: true });
    clearTimeout(timer);
    timer = setTimeout(thumbs, 90);
  };

  /** Pictures come once scrolling has paused: decoding them must not make it stumble. */
  const thumbs = () => {
    for (const place of by("list").querySelectorAll(".thumb[data-file]")) {
      if (!place.firstChild) place.append(fsr.make("img", { src: fsr.picture(place.dataset.file), alt: "", decoding: "async", onerror: (event) => event.target.remove() }));
    }
  };

  /* ------------------------------------------------------------- moves */

  const placeOf = (row) => shown.indexOf(row);

  const reveal = (row) => {
    const place = placeOf(row);
    if (place < 0) return;
    const scroller = by("scroller");
    const each = height();
    const head = by("list").tHead.offsetHeight;
    const top = place * each;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + each > scroller.scrollTop + scroller.clientHeight - head) scroller.scrollTop = top + each - scroller.clientHeight + head;
  };

  const select = (row, focus = false) => {
    current = row;
    reveal(row);
    draw(true);
    if (focus) by("list").querySelector(`tr[data-row="${row}"] a`)?.focus({ preventScroll: true });
  };

  const step = (count) => {
    const place = placeOf(current);
    const next = place < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, place + count));
    return shown.length ? shown[next] : -1;
  };

  const fill = (id, options, chosen) => {
    by(id).replaceChildren(...options.map(([value, text]) => fsr.make("option", { value: String(value) }, text)));
    by(id).value = String(chosen);
  };

  const clear = () => {
    for (const id of ["f-family", "f-arm", "f-outcome"]) by(id).value = "-1";
    for (const id of ["f-name", "f-tag", "f-limit"]) by(id).value = "";
    by("f-test").value = "any";
    by("f-limit-label").hidden = true;
    refresh();
  };

  const start = (opener) => {
    opened = opener;
    const { data } = fsr;
    if (!data.by) sort = { key: "case", down: false };
    names = data.case.map((name) => name.toLowerCase());
    const sorted = [...data.case.keys()].sort((a, b) => (names[a] < names[b] ? -1 : names[a] > names[b] ? 1 : a - b));
    ranks = new Int32Array(sorted.length);
    for (let place = 1; place < sorted.length; place += 1) {
      ranks[sorted[place]] = ranks[sorted[place - 1]] + (names[sorted[place]] === names[sorted[place - 1]] ? 0 : 1);
    }
    const coded = (values) => values.map((value, code) => [code, value]).sort((a, b) => (a[1] < b[1] ? -1 : 1));
    const first = data.arms.findIndex((arm) => arm.role === "contender");
    fill("f-family", [[-1, "all"], ...coded(data.families)], -1);
    fill("f-arm", [[-1, "all"], ...data.arms.map((arm, code) => [code, arm.mark ? `${arm.title} (${arm.mark})` : arm.title])], data.arms.length > 1 ? first : -1);
    fill("f-outcome", [[-1, "all"], ...coded(data.outcomes).map(([code, text]) => [code, text || "—"])], -1);
    fill("f-tag", [["", "all"], ...[...new Set(data.tagsets.flat())].sort().map((tag) => [tag, tag])], "");
    fill("f-metric", data.metrics.map((metric) => [metric.name, metric.heading]), (data.metrics[0] || { name: "" }).name);
    fill("f-test", Object.entries(TESTS), "any");
    fill(
      "f-sort",
      [
        ...(data.by ? [["change down", `Largest change in ${data.metrics.find((one) => one.name === data.by).label}`]] : []),
        ...columns().flatMap(({ key, text }) => [
          [key, `${text}, rising`],
          [`${key} down`, `${text}, falling`],
        ]),
      ],
      "",
    );
    for (const id of ["f-name", "f-limit"]) by(id).addEventListener("input", refresh);
    for (const id of ["f-family", "f-arm", "f-outcome", "f-tag", "f-metric", "f-test"]) {
      by(id).addEventListener("change", () => {
        by("f-limit-label").hidden = !["least", "most"].includes(by("f-test").value);
        refresh();
      });
    }
    by("f-sort").addEventListener("change", () => {
      const [key, down] = by("f-sort").value.split(" ");
      sort = { key, down: down === "down" };
      refresh();
    });
    by("f-more").addEventListener("click", () => {
      const wide = document.querySelector(".filters").classList.toggle("open");
      by("f-more").setAttribute("aria-expanded", String(wide));
    });
    by("f-clear").addEventListener("click", clear);
    by("f-clear-too").addEventListener("click", clear);
    document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
    by("scroller").addEventListener("scroll", () => requestAnimationFrame(() => draw()), { passive: true });
    addEventListener("resize", () => draw(true));
    by("list").addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-row]");
      if (row && !event.target.closest("a") && !getSelection().toString()) opened(Number(row.dataset.row));
    });
    refresh();
  };

  const api = { start, refresh, select, step, draw, sortBy, placeOf, at: (place) => (place >= 0 && place < shown.length ? shown[place] : -1), count: () => shown.length, current: () => current, took: 0 };
  return api;
})();

/** Address of a row: it can be shared and opened again. */
fsr.link = (row) => {
  const { data } = fsr;
  const entry = data.rows.entry[row];
  const parts = { case: data.case[entry], family: data.families[data.family[entry]], arm: data.arms[data.rows.arm[row]].name };
  return `#${new URLSearchParams(parts)}`;
};

/** The row that an address names; -1 where there is none. */
fsr.row = (address) => {
  const { data } = fsr;
  const wanted = new URLSearchParams(address.replace(/^#/, ""));
  if (!wanted.has("case")) return -1;
  let found = -1;
  for (let row = data.rows.entry.length - 1; row >= 0; row -= 1) {
    const entry = data.rows.entry[row];
    if (data.case[entry] !== wanted.get("case")) continue;
    if (wanted.has("family") && data.families[data.family[entry]] !== wanted.get("family")) continue;
    if (wanted.has("arm") && data.arms[data.rows.arm[row]].name !== wanted.get("arm")) continue;
    found = row;
  }
  return found;
};
