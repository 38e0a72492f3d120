"""Hundreds of ways in which a server may do harm: each ends in time, in a sentence, in bounded memory, and at home."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from fsrbench.core import plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import AuditorUnreachable
from fsrbench.core.questions import Answer, Question
from fsrbench.core.stored import to_json
from support.harm import KEY, PATIENCE
from support.hostile import REDIRECTS, Hostile
from support.process import peak_megabytes
from support.questions import question

TIMEOUT = 0.5
MARGIN = 4.0
"""Seconds beyond its time-out that a request may take, asked alone; a client without a clock takes PATIENCE."""
MEGABYTES = 300
RUNS = {KEY[at : at + 8] for at in range(len(KEY) - 7)}


@pytest.fixture(autouse=True)
def _key_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def ask(url: str, asked: Question, timeout: float = TIMEOUT) -> tuple[Answer | AuditorUnreachable, float]:
    """What one request led to, and after how many seconds. Anything else that is raised is a fault."""
    auditor = plugins.load("auditors", "openai").open(
        {"base_url": url, "model": "vlm", "attempts": 1, "timeout": timeout}, Machine()
    )
    began = time.monotonic()
    try:
        said: Answer | AuditorUnreachable = auditor(asked)
    except AuditorUnreachable as error:
        said = error
    return said, time.monotonic() - began


@pytest.mark.slow
def test_every_hostile_server_ends_in_time_and_in_a_sentence(record_property: Callable[[str, object], None]) -> None:
    asked, most = question(), 2 * (TIMEOUT + MARGIN)  # a repair is a second request
    assert most < PATIENCE
    with Hostile() as server:
        assert len(server.names) >= 200
        ask(server.url(0), asked)  # what is imported once
        before = peak_megabytes()
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(lambda mode: ask(server.url(mode), asked), range(len(server.names))))
        for mode, (_, seconds) in enumerate(outcomes):
            if seconds > most:  # the others had its turn: alone it has no excuse
                outcomes[mode] = ask(server.url(mode), asked)
                assert outcomes[mode][1] < most, server.names[mode]
        assert server.strays == 0, "a redirect was followed"
    grown, longest = peak_megabytes() - before, max(seconds for _, seconds in outcomes)
    record_property("fault", f"{len(outcomes)} hostile servers: {grown:.0f} MB more, {longest:.1f} s at most")
    assert grown < MEGABYTES
    for name, (said, _) in zip(server.names, outcomes, strict=True):
        if isinstance(said, Answer):
            text = json.dumps(to_json(said), ensure_ascii=False)
            assert said.audit.reason.isprintable(), name
        else:
            text = str(said)
            assert text.isprintable(), name
            assert len(text) < 700, name
        assert not [run for run in RUNS if run in text], name


def test_what_is_told_of_some_of_them() -> None:
    asked, patient = question(), 30.0
    told = {
        **{f"{status}, to a host": "elsewhere, to 127.0.0.1, and no redirect is followed" for status in REDIRECTS},
        **{f"{status}, to a path": "give that address as base_url" for status in REDIRECTS},
        **{f"200, {encoding} bomb": "limits.max_reply" for encoding in ("gzip", "zlib")},
        "200, body without end": "limits.max_reply",
        "200, length, zstd": "compressed (zstd), which was not asked for",
        "500, gzip bomb": "500: it says no more",
        "401, body without end": "401, the key is missing or not accepted",
        "500, to the end, gzip": "500: �[2J�]8;;http://evil/��31m�gnp.exe �� Incorrect API key provided: [key].",
        "a million values": "more than 300,000 values",
        "an error with success": "it answered without a completion: ",
    }
    late = ("200, body in drips", "200, head in drips", "1xx in drips", "103 for ever", "trailers in drips", "silence")
    fine = ("200, length, gzip", "200, chunked, identity", "200, to the end, deflate", "a mark before it", "UTF-16")
    with Hostile() as server:
        mode = server.names.index
        for name, words in told.items():
            assert words in str(ask(server.url(mode(name)), asked, patient)[0]), name
        with ThreadPoolExecutor(len(late)) as pool:
            for name, (said, _) in zip(
                late, pool.map(lambda name: ask(server.url(mode(name)), asked), late), strict=True
            ):
                assert "(setting timeout)" in str(said), name
        for name in fine:
            said, _ = ask(server.url(mode(name)), asked, patient)
            assert isinstance(said, Answer), name
            assert said.audit.status == "ok", name
        assert server.strays == 0
