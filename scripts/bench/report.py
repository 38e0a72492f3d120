"""How long a report takes: to build, to build again, to open, to sort, to filter, and its worst frame while scrolling.

    python scripts/bench/report.py [CASES] [--audits]

Cases are synthetic (tests/support/reports.py), three arms each; with --audits every round has a record of its exchange.
Opening is measured in Chromium from PATH, if there is one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from fsrbench.asking import prompts
from fsrbench.measure.results import Results
from fsrbench.show import report
from fsrbench.study.store import RunFolder
from support.reports import ARMS, Study

SORT = """() => { const t = performance.now(); document.querySelector('[data-sort="delta:psnr"]').click();
    document.body.offsetHeight; return performance.now() - t; }"""
FILTER = """() => { const t = performance.now(); const e = document.getElementById('f-tag'); e.value = 'blockiness';
    e.dispatchEvent(new Event('change')); document.body.offsetHeight; return performance.now() - t; }"""
SCROLL = """async () => { const s = document.getElementById('scroller'); let worst = 0;
    for (let i = 0; i <= 120; i += 1) { const t = performance.now(); s.scrollTop = s.scrollHeight * i / 120;
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        worst = Math.max(worst, performance.now() - t); } return worst / 2; }"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="?", type=int, default=2000)
    parser.add_argument("--audits", action="store_true", help="with a record of every exchange")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = Study(Path(folder) / "run", [f"face_{n:05}" for n in range(given.cases)], side=512).results()
        if given.audits:
            _keep_audits(results)
        for what in ("first build", "second build"):
            started = time.perf_counter()
            page = report.build(results)
            print(f"{what:14} {time.perf_counter() - started:8.2f} s")
        size = sum(f.stat().st_size for f in page.parent.rglob("*.js"))
        print(f"{'scripts':14} {size / 1e6:8.2f} MB, data.js {(page.parent / 'data.js').stat().st_size / 1e6:.2f} MB")
        _open(page)


def _keep_audits(results: Results) -> None:
    """A prompt of the usual length for every round; plainly written, since making them is not what is measured."""
    prompt = prompts.read("general", None).text
    for subject in results.what.subjects:
        for arm in ARMS[:2]:
            file = RunFolder(results.root).root / "audits" / "general" / arm / f"{subject.case}-1.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            told = {"format": 1, "prompt": f"{prompt}\n\n{subject.case}", "reply": "{}"}
            file.write_text(json.dumps(told), encoding="utf-8")


def _open(page: Path) -> None:
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        print("no Chromium on PATH: the page is not opened")
        return
    with sync_playwright() as playwright:
        tab = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"]).new_page()
        tab.goto(page.as_uri() + "#cases")
        load = tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        tab.select_option("#f-arm", label="all")
        rows = tab.evaluate("fsr.list.count()")
        print(f"{'load':14} {load:8.1f} ms, {rows} rows")
        print(f"{'sort':14} {max(tab.evaluate(SORT) for _ in range(4)):8.1f} ms")
        print(f"{'scroll':14} {tab.evaluate(SCROLL):8.1f} ms, the worst frame")
        print(f"{'filter':14} {tab.evaluate(FILTER):8.1f} ms")


if __name__ == "__main__":
    main()
