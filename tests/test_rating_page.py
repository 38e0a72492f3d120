"""The rating page in a browser: forty choices by keyboard, gone on with, exported and added back; and what it tells."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fsrbench.core.execute import untracked
from fsrbench.measure import choices, subjects
from fsrbench.measure.choices import SPOILT
from fsrbench.show.rating import export, sheets, taking
from fsrbench.show.rating.server import RatingServer
from fsrbench.show.rating.session import RatingSession
from fsrbench.show.rating.sheets import SheetPlan
from fsrbench.study import config
from fsrbench.study.store import RunFolder
from support.rated import ARMS, rated_run
from support.reports import EVIL, EVIL_CASE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.slow
PLAN = SheetPlan(pairs=32, repeats=5, checks=3)
ALL = 40
HOSTILE = " ".join(EVIL.split())[:80].strip()
"""A rater's name that would run, were it markup."""
KEYS = {"first": "ArrowLeft", "tie": "ArrowDown", "second": "ArrowRight"}
TELLING = ("pure", *ARMS, "general", "spoilt", "blur", "squares")
"""What would tell who made a picture, or which pairs are checks."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rated_run(tmp_path_factory.mktemp("rated"))


@pytest.fixture
def folder(run: Path) -> Iterator[RunFolder]:
    """The run, of which nobody has chosen anything."""
    found = RunFolder(run)
    yield found
    for path in found.choices.glob("*.jsonl"):
        path.unlink()


@contextmanager
def serving(folder: RunFolder) -> Iterator[RatingServer]:
    what = subjects.of_run(folder, config.stored(folder.study()["settings"], folder.study_file))
    pairs = sheets.drawn(what, ("pure", *ARMS), ["general"], PLAN)
    server = RatingServer(RatingSession(folder, what, pairs, PLAN, reference=True), reference=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Rating:
    """The page in one window, and all that passed between it and the server."""

    page: Page
    heard: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, context: BrowserContext, address: str) -> Rating:
        found = cls(context.new_page())
        page = found.page
        page.on("response", found.listen)
        page.on("console", lambda m: found.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: found.complaints.append(str(e)))
        page.goto(address)
        return found

    def listen(self, response: Any) -> None:
        """Keep every address, and every answer but the page itself, which is the same for all runs."""
        self.heard.append(response.url)
        if "json" in response.headers.get("content-type", ""):
            self.heard.append(response.text())

    def begin(self, rater: str) -> None:
        self.page.fill("#rater", rater)
        self.page.keyboard.press("Enter")

    def ready(self, at: int) -> None:
        """Wait until this pair is shown; the page allows no script of ours but what the debugger runs."""
        for _ in range(600):
            if self.page.evaluate("[rate.state.at, rate.state.since !== null]") == [at, True]:
                return
            time.sleep(0.02)
        raise TimeoutError(self.page.locator("body").inner_text())

    def choose(self, at: int, side: str) -> None:
        self.ready(at)
        self.page.keyboard.press(KEYS[side])

    def finished(self) -> None:
        self.page.wait_for_selector("#done", state="visible")

    def close(self) -> None:
        assert self.page.evaluate("window.ran") is None, "text from outside was run"
        assert not self.complaints
        self.page.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    yield opened
    opened.close()


def side(number: int) -> str:
    """What is chosen in the tests: all three, in turn."""
    return ("first", "second", "tie")[number % 3]


def test_forty_choices_by_keyboard_closed_in_the_middle_and_gone_on_with(
    folder: RunFolder, context: BrowserContext
) -> None:
    with serving(folder) as server:
        first = Rating.of(context, server.address)
        first.begin("Ann")
        for number in range(17):
            first.choose(number, side(number))
        first.ready(17)
        first.close()
        assert len(choices.read(folder)) == 17, "each is stored at once"
    with serving(folder) as server:
        second = Rating.of(context, server.address)
        second.begin("Ann")
        for number in range(17, ALL):
            second.choose(number, side(number))
        second.finished()
        assert "Ann" in second.page.locator("#done h1").inner_text()
        second.close()
        other = Rating.of(context, server.address)
        other.begin(HOSTILE)
        for number in range(3):
            other.choose(number, "tie")
        other.ready(3)
        other.close()
    found = choices.read(folder)
    ann = [choice for choice in found if choice.rater == "Ann"]
    assert [choice.chosen for choice in ann] == [side(number) for number in range(ALL)]
    assert sum(choice.repeat for choice in ann) == 5
    assert sum(SPOILT in choice.pair for choice in ann) == 3
    assert all(choice.seconds is not None and choice.at for choice in ann)
    assert [choice.chosen for choice in found if choice.rater == HOSTILE] == ["tie"] * 3
    told = [text for one in (first, second, other) for text in one.heard]
    assert len(told) > 100
    assert not [text for text in told for word in TELLING if word in text], "blind"


def test_names_are_shown_as_text_and_nothing_tells_who_made_a_picture(
    folder: RunFolder, context: BrowserContext
) -> None:
    with serving(folder) as server:
        rating = Rating.of(context, server.address)
        rating.begin(HOSTILE)
        seen = set()
        for number in range(ALL):
            rating.ready(number)
            seen.add(rating.page.locator("#case").inner_text())
            body = rating.page.locator("body").inner_text()
            markup = rating.page.locator("#rating").inner_html()
            assert not [word for word in TELLING if word in body or word in markup]
            rating.page.keyboard.press("ArrowLeft")
        assert EVIL_CASE in seen
        rating.finished()
        assert HOSTILE in rating.page.locator("#done h1").inner_text()
        rating.close()


def test_undo_zoom_and_keys(folder: RunFolder, context: BrowserContext) -> None:
    with serving(folder) as server:
        rating = Rating.of(context, server.address)
        page, press = rating.page, rating.page.keyboard.press
        press("ArrowLeft")
        assert choices.read(folder) == [], "nothing is chosen before it is shown"
        rating.begin("Ann")
        rating.choose(0, "first")
        rating.ready(1)
        press("u")
        rating.ready(0)
        assert page.locator("[data-side=first].chosen").count() == 1
        press("ArrowRight")
        rating.ready(1)
        assert [choice.chosen for choice in choices.read(folder)] == ["second"]
        transforms = "[...document.querySelectorAll('.frame img')].map((one) => one.style.transform)"
        for zoom in (2, 4):
            press("z")
            found = page.evaluate(transforms)
            assert len(found) == 4
            assert len(set(found)) == 1, "all pictures show the same part"
            assert f"scale({zoom})" in found[0]
        press("Shift+ArrowLeft")
        assert page.evaluate("rate.view.x") < 0.5
        assert set(page.evaluate(transforms)) != set(found)
        press("z")
        assert page.evaluate("[rate.view.zoom, rate.view.x]") == [1, 0.5]
        box = page.locator("#left .frame").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 10, box["y"] + 10)
        page.mouse.wheel(0, -500)
        assert page.evaluate("rate.view.zoom") > 2
        assert page.evaluate("rate.view.x") < 0.5, "what lies under the mouse stays there"
        page.locator("[data-side=tie]").click()
        rating.ready(2)
        assert page.evaluate("rate.view.zoom") == 1
        rating.close()


def test_both_pictures_are_there_before_they_are_shown_and_a_lost_server_is_told(
    folder: RunFolder, context: BrowserContext
) -> None:
    with serving(folder) as server:
        rating = Rating.of(context, server.address)
        held: list[Any] = []
        rating.page.route("**/pictures/*", lambda route: held.append(route) if len(held) < 1 else route.continue_())
        rating.begin("Ann")
        rating.page.wait_for_selector("#loading", state="visible")
        assert rating.page.evaluate("getComputedStyle(document.querySelector('#right')).visibility") == "hidden"
        rating.page.keyboard.press("ArrowLeft")
        held[0].continue_()
        rating.ready(0)
        assert choices.read(folder) == [], "no key counts before that"
        rating.page.unroute("**/pictures/*")
    rating.page.keyboard.press("ArrowLeft")
    rating.page.wait_for_selector("#trouble", state="visible")
    assert "not stored" in rating.page.locator("#trouble").inner_text()
    assert rating.page.evaluate("rate.state.at") == 0
    rating.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844), (844, 390), (1000, 600)])
def test_everything_fits_on_every_screen(
    folder: RunFolder, browser: Browser, size: tuple[int, int], scheme: Any
) -> None:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    with serving(folder) as server:
        rating = Rating.of(context, server.address)
        rating.begin("Ann")
        rating.ready(0)
        for name in ("#left .frame", "#right .frame", "#input .frame", ".answers", "#undo"):
            box = rating.page.locator(name).bounding_box()
            assert box is not None
            assert box["x"] >= 0 and box["y"] >= 0, name  # noqa: PT018 - one box
            assert box["x"] + box["width"] <= size[0] + 1, name
            assert box["y"] + box["height"] <= size[1] + 1, name
        rating.close()
    context.close()


def test_an_exported_page_works_from_disk_and_its_file_is_added(
    folder: RunFolder, context: BrowserContext, tmp_path: Path
) -> None:
    what = subjects.of_run(folder, config.stored(folder.study()["settings"], folder.study_file))
    pairs = sheets.drawn(what, ("pure", *ARMS), ["general"], PLAN)
    index = export.write(folder, what, pairs, PLAN, tmp_path / "sent to é", untracked, reference=False)
    files = [path.relative_to(index.parent).as_posix() for path in index.parent.rglob("*")]
    assert not [name for name in files for word in TELLING if word in name]
    context.set_offline(True)
    first = Rating.of(context, index.as_uri())
    first.begin("Bo  Lee")
    for number in range(25):
        first.choose(number, side(number))
    first.ready(25)
    first.close()
    rating = Rating.of(context, index.as_uri())
    rating.begin("Bo Lee")
    for number in range(25, ALL):
        rating.choose(number, side(number))
    rating.finished()
    with rating.page.expect_download() as saved:
        rating.page.locator("#file").click()
    assert saved.value.suggested_filename == "choices-Bo-Lee.json"
    saved.value.save_as(tmp_path / "back.json")
    rating.close()
    told = json.loads((tmp_path / "back.json").read_text(encoding="utf-8"))
    assert not [word for word in TELLING if word in json.dumps(told)]
    assert taking.add(folder, what, tmp_path / "back.json") == (ALL, 0)
    found = choices.read(folder)
    assert sorted(choice.chosen for choice in found) == sorted(side(number) for number in range(ALL))
    assert {choice.rater for choice in found} == {"Bo Lee"}
    assert sum(choice.repeat for choice in found) == 5
