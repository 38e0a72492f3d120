/* One case: its pictures in the viewer, its numbers, its face patches, and an arm's rounds in full. */
"use strict";

fsr.case = (() => {
  const m = fsr.make;
  const dialog = document.getElementById("case");
  let row = -1; // the row that is shown; -1 while closed
  let told = null; // its details
  let parts = null;
  let turn = 0; // details that arrive late belong to an earlier case

  const entryOf = (of) => fsr.data.rows.entry[of];
  const armOf = (of) => fsr.data.arms[fsr.data.rows.arm[of]].name;

  const named = (key) => {
    if (key === "lr") return "LR";
    if (key === "reference") return "Reference";
    const [arm, number] = [key.slice(0, key.lastIndexOf(":")), key.slice(key.lastIndexOf(":") + 1)];
    if (number.startsWith("c")) return `${fsr.title(arm)}, candidate ${number.slice(1)}`;
    return number ? `${fsr.title(arm)}, round ${number}` : fsr.title(arm);
  };

  const section = (title, ...content) => m("section", null, m("h3", null, title), ...content);
  const line = (name, ...value) => m("div", null, m("dt", null, name), m("dd", null, ...value));
  const short = (hash) => m("code", { title: hash }, hash.slice(0, 12));
  const values = (pairs) => Object.entries(pairs).map(([name, value]) => `${name} ${value}`).join(", ");

  /* ------------------------------------------------------------ numbers */

  const numbers = (chosen) => {
    const arms = ["pure", ...Object.keys(told.arms)];
    const notes = [];
    const cell = (metric, arm) => {
      const { value, missing, delta, note } = (told.numbers[arm] || {})[metric.name] || { missing: true, note: "not measured" };
      if (missing) {
        const why = `${fsr.title(arm)}, ${metric.label}: ${note || "no number"}`;
        if (!(arm in told.failed)) notes.push(why);
        return m("td.faint", { title: why }, "n/a");
      }
      return m("td", null, m("span", null, value), delta ? fsr.delta(delta) : null);
    };
    const { metrics } = fsr.data;
    const table = m(
      "table.numbers",
      null,
      m("thead", null, m("tr", null, m("th", { scope: "col" }, "Arm"), metrics.map((metric) => m("th", { scope: "col" }, metric.heading)))),
      m("tbody", null, arms.map((arm) => m("tr", { class: arm === chosen ? "chosen" : null }, m("th", { scope: "row" }, fsr.title(arm), fsr.marked(arm), arm in told.failed ? fsr.badge("failed", true) : null), metrics.map((metric) => cell(metric, arm))))),
    );
    const missing = notes.length ? m("details", null, m("summary", null, `${notes.length} missing, and why`), m("ul", null, notes.map((note) => m("li", null, note)))) : null;
    return section("Numbers", m("div.wide", { tabindex: "0", role: "region", "aria-label": "Numbers" }, table), missing);
  };

  /* ------------------------------------------------------------ patches */

  const people = () => (told.people.length ? section("What people chose", m("ul.people", null, told.people.map((line) => m("li", null, line)))) : null);

  const patches = (arm) => {
    const keys = ["lr", "pure:", `${arm}:`, "reference"].filter((key, place, all) => told.pictures[key] && told.pictures[key].file && all.indexOf(key) === place);
    if (!told.patches || !keys.length) {
      const why = told.size[0] && keys.length ? "Only a square picture can be an aligned face, so no places are known in this one." : "No picture of this case can be shown.";
      return section("Face patches", m("p.faint", null, why));
    }
    const [w, h] = told.size;
    const cut = (key, [x0, y0, x1, y1]) => {
      const image = m("img", { src: fsr.picture(told.pictures[key].file), alt: "", decoding: "async" });
      const scale = 100 / (x1 - x0);
      image.style.width = `${w * scale}%`;
      image.style.left = `${-x0 * scale}%`;
      image.style.top = `${-y0 * scale}%`;
      image.style.height = `${h * scale}%`;
      if (key === "lr") image.className = "pixels";
      return m("span.cut", null, image);
    };
    const lines = Object.entries(told.patches).map(([name, box]) =>
      m(
        "tr",
        null,
        m("th", { scope: "row" }, name.replace("_", " ")),
        keys.map((key) => m("td", null, m("button", { type: "button", "aria-label": `Zoom to ${name.replace("_", " ")}, ${named(key)}`, onclick: () => zoomTo(box, key) }, cut(key, box)))),
      ),
    );
    return section(
      "Face patches",
      m("table.patches", null, m("thead", null, m("tr", null, m("td"), keys.map((key) => m("th", { scope: "col" }, named(key), fsr.marked(key.split(":")[0]))))), m("tbody", null, lines)),
      m("p.faint", null, `${told.where} Choose one to zoom there.`),
    );
  };

  const zoomTo = (box, key) => {
    if (key !== fsr.viewer.state.left) fsr.viewer.choose("right", key);
    fsr.viewer.look(box);
    parts.viewer.scrollIntoView({ block: "nearest" });
  };

  /* ------------------------------------------------------------- rounds */

  const track = (length) => {
    const filled = m("span");
    filled.style.width = `${length}%`;
    return m("span.track", { "aria-hidden": "true" }, filled);
  };

  const meter = (name, value) => {
    if (value === null) return m("span.meter", null, `${name} not given`);
    return m("span.meter", null, `${name} `, m("b", null, value.text), track(value.length));
  };

  const asked = ({ audit, decision }) => {
    const names = [...new Set([...Object.keys(audit.hints), ...Object.keys(decision.applied), ...Object.keys(decision.clamped), ...Object.keys(decision.dropped)])];
    if (!names.length) return m("p.faint", null, "It asked for no change.");
    const become = (name) => {
      if (name in decision.dropped) return [m("b.dropped", null, "dropped"), ` ${decision.dropped[name]}`];
      if (name in decision.applied) {
        const clamped = name in decision.clamped;
        return [m("b.applied", null, clamped ? "clamped, applied" : "applied"), ` ${clamped ? decision.clamped[name] : decision.applied[name]}`];
      }
      return [m("b.dropped", null, name in decision.clamped ? "clamped, not applied" : "not applied"), name in decision.clamped ? ` ${decision.clamped[name]}` : ""];
    };
    const said = (name) => (name in audit.hints ? audit.hints[name] : "—");
    return m(
      "table.asked",
      null,
      m("thead", null, m("tr", null, m("th", { scope: "col" }, "Knob"), m("th", { scope: "col" }, "asked for"), m("th", { scope: "col" }, "what became of it"))),
      m("tbody", null, names.map((name) => m("tr", null, m("th", { scope: "row" }, name), m("td", null, said(name)), m("td", null, become(name))))),
    );
  };

  const judged = (verdict) =>
    m(
      "div.verdict",
      null,
      m("p", null, m("b", null, verdict.kept ? "New picture: " : "New picture, rejected: "), verdict.why),
      verdict.preferences.length ? m("p", null, `Preferred, in each order: ${verdict.preferences.join(", ")}.`) : null,
      Object.keys(verdict.guards).length ? m("p", null, "Guards that tripped: ", Object.entries(verdict.guards).map(([name, change]) => `${name} ${change}`).join("; ")) : null,
    );

  const saw = (texts) =>
    texts.length
      ? m("details.saw", null, m("summary", null, "What the auditor was shown and what came back"), texts.map(([title, numbers_]) => m("div", null, m("h5", null, title), m("pre", { tabindex: "0" }, fsr.text(told.lines, numbers_)))))
      : m("p.faint", null, "No record of the exchange was kept.");

  const made = (step) => {
    const done = step.restoration;
    return m(
      "dl.facts",
      null,
      line("knobs", values(done.knobs) || "none are offered"),
      line("made by", `${done.backend}, ${done.model}, ${done.precision}, ${done.seconds}, seed ${done.seed}`),
      done.notes.length ? line("to know", done.notes.join("; ")) : null,
      line("pixels", short(done.sha256)),
    );
  };

  const sentence = (words) => `${words[0].toUpperCase()}${words.slice(1)}.`;

  /** Candidates as a judge ordered them, the best first. */
  const ranked = (candidates) =>
    candidates.length
      ? m(
          "table.asked.ranked",
          null,
          m("thead", null, m("tr", null, m("th", { scope: "col" }, "Candidate"), m("th", { scope: "col" }, "score (higher is better)"), m("th", { scope: "col" }, ""))),
          m("tbody", null, candidates.map((one) => m("tr", null, m("th", { scope: "row" }, one.origin), m("td", null, one.score), m("td", null, [one.chosen ? "chosen" : "", one.note].filter(Boolean).join("; "))))),
        )
      : null;

  /** The same as pictures side by side, from which the slider takes its sides; nothing where none is kept. */
  const film = (candidates) => {
    const kept = candidates.map((one, place) => ({ ...one, rank: place + 1, shown: told.pictures[one.picture] })).filter((one) => one.shown && one.shown.file);
    if (!kept.length) return null;
    const take = (side, one) => {
      fsr.viewer.choose(side, one.picture);
      parts.viewer.scrollIntoView({ block: "nearest" });
    };
    const side = (name, one) => m("button", { type: "button", "aria-label": `Rank ${one.rank} to the ${name}`, onclick: () => take(name, one) }, name);
    const frame = (one) =>
      m(
        "li",
        { class: one.chosen ? "chosen" : null },
        m("button.frame", { type: "button", title: one.origin, "aria-label": `Rank ${one.rank}, ${one.origin}: show it to the right`, onclick: () => take("right", one) }, m("img", { src: fsr.picture(one.shown.file), alt: "", decoding: "async" })),
        m("span", null, m("b", null, `${one.rank}`), ` ${one.score}`),
        m("span.sides", null, side("left", one), side("right", one)),
      );
    return m("ol.film", { "aria-label": "Candidates, the best first" }, kept.map(frame));
  };

  const round = (step) => {
    const title = m("h4", null, `Round ${step.number}`);
    if (!step.restoration) return m("li.round", null, title, saw(step.saw));
    const bound = step.bound ? m("p.faint", null, sentence(step.bound)) : null;
    if (!step.audit) return m("li.round", null, title, m("p", null, sentence(step.choice)), film(step.ranked), ranked(step.ranked), bound, m("h5", null, "The picture that stands after it"), made(step));
    const { audit, decision } = step;
    return m(
      "li.round",
      null,
      m("div.roundhead", null, title, m(`span.action.${decision.action}`, null, decision.action)),
      audit.status === "invalid"
        ? m("p.invalid", null, m("b", null, "The reply could not be used: "), audit.reason)
        : [m("p", null, meter("score", audit.score), meter("confidence", audit.confidence)), m("p.tags", null, audit.tags.length ? audit.tags.map((tag) => fsr.badge(tag)) : m("span.faint", null, "no tags")), audit.reason ? m("blockquote", null, audit.reason) : null],
      audit.repairs.length ? m("p.faint", null, `Repaired before it could be read: ${audit.repairs.join(", ")}`) : null,
      asked(step),
      m("p", null, m("b", null, `${decision.action}: `), decision.why),
      step.verdict ? judged(step.verdict) : null,
      bound,
      m("h5", null, "The picture that stands after it"),
      made(step),
      audit.spent ? m("p.faint", null, audit.spent) : null,
      saw(step.saw),
    );
  };

  const rounds = (arm) => {
    if (arm === "pure") return null;
    const steps = told.arms[arm] || [];
    const failed = told.failed[arm];
    return section(
      `What ${fsr.title(arm)} did`,
      fsr.mark(arm) ? m("p", null, fsr.marked(arm)) : null,
      failed ? m("p.invalid", null, m("b", null, "It failed for this case: "), failed) : null,
      steps.length ? m("ol.rounds", null, steps.map(round)) : failed ? null : m("p.faint", null, "No record: these pictures come from plain folders."),
    );
  };

  const input = () => {
    const degraded = Object.entries(told.degraded).filter(([name, value]) => value !== "" && name !== "format");
    const lines = [
      told.cluster ? line("person", told.cluster) : null,
      told.lr_sha256 ? line("LR file", short(told.lr_sha256)) : null,
      ...degraded.map(([name, value]) => line(name.replace(/_/g, " "), /^[0-9a-f]{64}$/.test(value) ? short(value) : value)),
    ];
    return [
      told.pure ? section("The pure restoration", made(told.pure)) : null,
      lines.some(Boolean) ? section("The input", m("details", null, m("summary", null, degraded.length ? "How it was degraded" : "About it"), m("dl.facts", null, lines))) : null,
    ];
  };

  /* --------------------------------------------------------------- shown */

  const build = () => {
    const button = (text, label, key, action) => m("button", { type: "button", title: `${label} (${key})`, "aria-label": label, onclick: action }, text);
    parts = { title: m("h2", { id: "case-title", tabindex: "-1" }), where: m("span.where"), arms: m("div.arms", { role: "group", "aria-label": "Arm" }), info: m("div.info", { tabindex: "0", role: "region", "aria-label": "About this case" }), viewer: fsr.viewer.make() };
    parts.models = m("span.models");
    dialog.append(
      m(
        "header.casehead",
        null,
        m("div.steps", null, button("‹", "Previous case", "←", () => step(-1)), button("›", "Next case", "→", () => step(1)), parts.where),
        m("div.names", null, parts.title, parts.models),
        button("✕", "Back to the list", "Esc", () => close()),
      ),
      parts.arms,
      m("div.casebody", null, parts.viewer, parts.info),
    );
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      close();
    });
  };

  const tabs = (arm) => {
    const all = Object.keys(told.arms);
    parts.arms.replaceChildren(
      ...all.map((name) => {
        return m("button", { type: "button", "aria-pressed": String(name === arm), onclick: () => go(rowOf(entryOf(row), name)) }, fsr.title(name), fsr.marked(name), name in told.failed ? fsr.badge("failed", true) : null);
      }),
    );
    parts.arms.hidden = all.length === 0;
    parts.arms.querySelector("[aria-pressed=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  };

  const rowOf = (entry, arm) => {
    const { rows } = fsr.data;
    for (let one = rows.entry.indexOf(entry); one >= 0 && rows.entry[one] === entry; one += 1) if (armOf(one) === arm) return one;
    return -1;
  };

  /** The place in the list: the row's own, or that of another arm of the same case. */
  const placeInList = () => {
    const own = fsr.list.placeOf(row);
    if (own >= 0) return own;
    const { rows } = fsr.data;
    for (let one = rows.entry.indexOf(entryOf(row)); one >= 0 && rows.entry[one] === entryOf(row); one += 1) {
      if (fsr.list.placeOf(one) >= 0) return fsr.list.placeOf(one);
    }
    return -1;
  };

  const step = (by) => {
    const place = placeInList();
    const next = fsr.list.at(place < 0 ? 0 : place + by);
    if (next < 0) return;
    const same = fsr.list.placeOf(row) < 0 ? rowOf(entryOf(next), armOf(row)) : -1;
    go(same >= 0 ? same : next);
  };

  const nextArm = () => {
    const arms = Object.keys(told ? told.arms : {});
    if (arms.length) go(rowOf(entryOf(row), arms[(arms.indexOf(armOf(row)) + 1) % arms.length]));
  };

  const go = (next) => {
    if (next >= 0) location.replace(fsr.link(next));
  };

  const show = async (next) => {
    if (!parts) build();
    const mine = ++turn;
    const another = row < 0 || entryOf(row) !== entryOf(next);
    const earlier = row < 0 ? null : { ...fsr.viewer.state, arm: armOf(row) };
    row = next;
    const place = placeInList();
    parts.where.textContent = place < 0 ? "not in the list as it is filtered" : `${(place + 1).toLocaleString("en")} of ${fsr.list.count().toLocaleString("en")}`;
    parts.title.textContent = fsr.data.case[entryOf(row)];
    if (!dialog.open) {
      dialog.showModal();
      parts.title.focus();
    }
    const found = await fsr.details(entryOf(row));
    if (mine !== turn) return;
    if (!found) {
      parts.info.replaceChildren(m("p.invalid", null, "The details of this case cannot be loaded: one of its files is missing or damaged. Build the report again."));
      return;
    }
    told = found;
    const arm = armOf(row);
    const has = (key) => key in told.pictures;
    const kept = (key, other) => (earlier && key !== `${earlier.arm}:` && has(key) ? key : other);
    const own = has(`${arm}:`) ? `${arm}:` : has("reference") ? "reference" : "pure:";
    fsr.viewer.show(told, named, earlier ? kept(earlier.left, "pure:") : "pure:", earlier && earlier.arm === arm ? kept(earlier.right, own) : own);
    parts.models.replaceChildren(fsr.badge(told.family), ...told.models.map(([model, standsIn]) => fsr.badge(model, standsIn)));
    tabs(arm);
    const pure = told.failed.pure ? m("p.invalid", null, m("b", null, "Nothing could be restored: "), told.failed.pure) : null;
    parts.info.replaceChildren(...[pure, numbers(arm), people(), patches(arm), rounds(arm), ...input()].filter(Boolean));
    if (another) parts.info.scrollTop = 0;
  };

  const close = () => {
    location.hash = "#cases";
  };

  /** Close without going anywhere. */
  const hide = () => {
    if (!dialog.open) return;
    const last = row;
    turn += 1;
    row = -1;
    dialog.close();
    fsr.list.select(last, true);
  };

  return { show, hide, close, step, nextArm, isOpen: () => dialog.open };
})();
