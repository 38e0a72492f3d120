"""The auditors: the real client against a loopback server that misbehaves, the script, and signal processing."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fsrbench.asking import prompts
from fsrbench.asking.audit import schema, task
from fsrbench.core import plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import AuditorUnreachable, SettingsError
from fsrbench.core.questions import Answer, Evidence, Question
from fsrbench.core.stored import KnobValue, to_json
from fsrbench.core.values import TAGS, Image
from fsrbench.imaging import images
from support import draw_face
from support.loopback import GOOD, Loopback, Step, breaks_off, drips, fails, good, html, overloaded, resets, says
from support.questions import bare_tools

MACHINE = Machine(offline=True)
NOTHING = bare_tools()
KEY = "sk-test-0123456789abcdef"


def ask_about(sr: Image, lr: Image, family: str = "general", **knobs: KnobValue) -> Question:
    offered = {name: plugins.load("knobs", name) for name in plugins.names("knobs")}
    offered = {name: knob for name, knob in offered.items() if family in knob.families and not knob.deep}
    seen = NOTHING(lr, sr)
    current = {name: knobs.get(name, knob.default) for name, knob in offered.items()}
    return Question("case-1", family, 1, 2**62 + 5, seen, current, offered, prompts.read(family).text)


@pytest.fixture(scope="module")
def question() -> Question:
    sr = draw_face(128)
    return ask_about(sr, images.as_stored(images.resize(sr, 32, 32)))


# ------------------------------------------------------------------ who is asked


def audit(server: Loopback, question: Question, **settings: Any) -> Answer:
    chosen = {"base_url": server.url, "model": "vlm", "backoff": 0.001, "attempts": 3, "timeout": 20, **settings}
    return plugins.load("auditors", "openai").open(chosen, MACHINE)(question)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


# -------------------------------------------------------------- what is asked


@pytest.mark.usefixtures("key")
def test_a_good_reply_and_the_whole_exchange(question: Question) -> None:
    with Loopback(good) as server:
        answer = audit(server, question)
    said = answer.audit
    assert (said.status, said.score, said.confidence, said.tags) == ("ok", 72, 85, ("ringing",))
    assert (said.hints, said.reason, said.repairs) == ({"dehalo": 0.4}, "Halos.", ())
    assert (said.usage.requests, said.usage.prompt_tokens, said.usage.completion_tokens) == (1, 1000, 50)
    assert said.usage.cost is None

    sent = server.requests[0]
    assert sent["path"] == "/v1/chat/completions"
    assert (sent["model"], sent["temperature"], sent["max_tokens"]) == ("vlm", 0, 1000)
    assert 0 <= sent["seed"] < 2**31
    form = sent["response_format"]
    assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
    assert form["json_schema"]["schema"] == task(question).schema
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    parts = sent["messages"][0]["content"]
    assert parts[0]["text"] == task(question).prompt
    pictures = [question.evidence.lr, question.evidence.sr, *(p.image for p in question.evidence.patches)]
    labels = [part["text"] for part in parts[1::2]]
    urls = [part["image_url"]["url"] for part in parts[2::2]]
    assert labels == list(prompts.picture_labels(question.evidence))
    assert urls == [images.data_url(picture) for picture in pictures]

    record = answer.exchange
    assert (record["model"], record["replies"][0]["model"]) == ("vlm", "vlm-7b-really")
    assert record["prompt"] == task(question).prompt
    assert [picture["sha256"] for picture in record["pictures"]] == [images.pixel_hash(p) for p in pictures]
    assert record["replies"][0]["text"] == json.dumps(GOOD)
    assert record["replies"][0]["format"] == "json_schema"
    stored = json.dumps(to_json(answer))
    assert KEY not in stored
    assert "base64" not in stored


@pytest.mark.usefixtures("key")
def test_a_server_that_echoes_the_key_does_not_get_it_stored(question: Question) -> None:
    echo = {**GOOD, "reason": f"key {KEY}", "hints": {"dehalo": KEY, KEY: 1}}
    with Loopback(says(f"{KEY}? {json.dumps(echo)}")) as server:
        answer = audit(server, question)
    assert KEY not in json.dumps(to_json(answer))
    assert answer.audit.reason == "key [key]"
    with Loopback(fails(401, f"wrong key {KEY}")) as server, pytest.raises(AuditorUnreachable) as error:
        audit(server, question)
    assert KEY not in str(error.value)
    assert len(server.requests) == 1
    with Loopback(says("no", refusal=f"not with {KEY}")) as server:
        assert KEY not in json.dumps(to_json(audit(server, question)))


# ------------------------------------------------------- replies of every kind


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (says(None, refusal="I do not judge people."), "refused: I do not judge people."),
        (says("", "content_filter"), "refused: the server's content filter"),
    ],
)
def test_a_refusal_is_invalid_and_not_pressed(question: Question, step: Step, reason: str) -> None:
    with Loopback(step) as server:
        answer = audit(server, question)
    assert answer.audit.status == "invalid"
    assert answer.audit.reason.startswith(reason)
    assert answer.audit.score is None
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (says(""), "empty reply"),
        (says(None), "empty reply"),
        (says(42), "empty reply"),
        (says("", "length"), "empty reply (the token limit"),
        (says(json.dumps(GOOD)[:30], "length"), "cut off at the token limit"),
        (says("The face is nice."), "unusable: there is no complete JSON object"),
        (says(json.dumps({**GOOD, "score": "NaN"})), "unusable: score is not a number"),
        (says(json.dumps({**GOOD, "reason": "a" * 1_000_000})), "unusable: the reply has"),
    ],
)
def test_an_unusable_reply_is_asked_for_once_more(question: Question, step: Step, reason: str) -> None:
    with Loopback(step) as server:
        answer = audit(server, question)
    assert answer.audit.status == "invalid"
    assert answer.audit.reason.startswith(reason)
    assert len(server.requests) == 2
    assert (answer.audit.usage.requests, answer.audit.usage.prompt_tokens) == (2, 2000)
    assert [r["problem"].startswith(reason) for r in answer.exchange["replies"]] == [True, True]

    with Loopback(step, good) as server:
        answer = audit(server, question)
    assert (answer.audit.status, answer.audit.score) == ("ok", 72)
    assert answer.audit.repairs == ("asked again",)
    last = server.requests[1]["messages"][-1]
    assert last["role"] == "user"
    assert reason.rstrip(".")[:12] in last["content"]


def test_prose_is_repaired_here_and_not_asked_for_again(question: Question) -> None:
    parts = [{"type": "text", "text": f"It's fine: {json.dumps(GOOD)}"}]
    with Loopback(says(parts)) as server:
        answer = audit(server, question)
    assert answer.audit.repairs == ("prose around the object",)
    assert len(server.requests) == 1


def test_invented_knobs_and_orders_are_only_data(question: Question) -> None:
    nasty = {
        **GOOD,
        "hints": {"../../x": 1, "__class__": "{0}", "dehalo": "$(reboot)"},
        "reason": "</script>\x1b]0;x\x07",
    }
    with Loopback(says(json.dumps(nasty))) as server:
        said = audit(server, question).audit
    assert said.hints == {"../../x": 1, "__class__": "{0}", "dehalo": "$(reboot)"}
    assert said.reason == "</script>]0;x"


# -------------------------------------------------------- servers of every kind


@pytest.mark.parametrize(
    "step",
    [fails(429), fails(500), fails(503), fails(408), resets, breaks_off, html, overloaded],
)
def test_a_passing_fault_is_retried(question: Question, step: Step) -> None:
    with Loopback(step, step, good) as server:
        answer = audit(server, question)
    assert answer.audit.status == "ok"
    assert answer.audit.usage.requests == 3
    assert len(server.requests) == 3
    with Loopback(step) as server, pytest.raises(AuditorUnreachable, match="no reply after 3 requests") as error:
        audit(server, question)
    assert server.url in str(error.value)
    assert len(server.requests) == 3


def test_nobody_there_is_unreachable(question: Question) -> None:
    with Loopback(good) as server:
        url = server.url
    with pytest.raises(AuditorUnreachable, match="the connection failed"):
        audit(server, question, base_url=url)


def test_slow_servers_are_left_at_the_deadline(question: Question) -> None:
    def hangs(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(1)

    for step in (drips, hangs):
        with Loopback(step) as server, pytest.raises(AuditorUnreachable, match=r"0\.3 s"):
            audit(server, question, timeout=0.3, attempts=1)


def test_retry_after_is_honoured(question: Question, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsrbench.auditors import _chat, _limiter

    pauses: list[float] = []
    holds: list[float] = []
    soon = email.utils.formatdate(time.time() + 50, usegmt=True)
    steps = (fails(429, Retry_After="7"), fails(503, Retry_After=soon), fails(429), good)
    with Loopback(*steps) as server:
        ask = opened(base_url=server.url, model="m", backoff=1, attempts=4)
        monkeypatch.setattr(_chat.time, "sleep", pauses.append)
        monkeypatch.setattr(_limiter.Limiter, "hold", lambda _, seconds: holds.append(seconds))
        assert ask(question).audit.status == "ok"
        monkeypatch.undo()
    assert 7 <= pauses[0] <= 7.2
    assert 40 <= pauses[1] <= 50.5
    assert 2 <= pauses[2] <= 4
    assert holds[0] == 7
    assert 40 <= holds[1] <= 50.5
    assert len(holds) == 2
    with Loopback(fails(429, Retry_After="9999")) as server, pytest.raises(AuditorUnreachable, match="429"):
        audit(server, question)
    assert len(server.requests) == 1


def test_what_cannot_change_is_not_retried(question: Question) -> None:
    for status, word in ((401, "key"), (403, "key"), (404, "model or address")):
        with Loopback(fails(status)) as server, pytest.raises(AuditorUnreachable, match=word):
            audit(server, question)
        assert len(server.requests) == 1


def test_reply_format_is_found_out_once(question: Question) -> None:
    no_schema = fails(400, "response_format: json_schema is not supported")
    with Loopback(no_schema, good) as server:
        ask = plugins.load("auditors", "openai").open({"base_url": server.url, "model": "m"}, MACHINE)
        first, second = ask(question), ask(question)
    kinds = [request.get("response_format", {}).get("type") for request in server.requests]
    assert kinds == ["json_schema", "json_object", "json_object"]
    assert first.exchange["replies"][0]["format"] == second.exchange["replies"][0]["format"] == "json_object"
    assert (first.audit.usage.requests, second.audit.usage.requests) == (2, 1)
    with Loopback(no_schema, fails(422, "bad request"), good) as server:
        assert audit(server, question).exchange["replies"][0]["format"] == "text"
    assert "response_format" not in server.requests[2]


def test_parameters_of_newer_models(question: Question) -> None:
    steps = (
        fails(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        fails(400, "Unsupported value: 'temperature' does not support 0"),
        good,
    )
    with Loopback(*steps) as server:
        assert audit(server, question).audit.status == "ok"
    last = server.requests[-1]
    assert last["max_completion_tokens"] == 1000
    assert "max_tokens" not in last
    assert "temperature" not in last
    assert last["response_format"]["type"] == "json_schema"


def test_a_request_that_is_wrong_in_itself_gives_up_and_teaches_nothing(question: Question) -> None:
    too_long = fails(400, "The context is too long.")
    with Loopback(too_long, too_long, too_long, good) as server:
        ask = plugins.load("auditors", "openai").open({"base_url": server.url, "model": "m"}, MACHINE)
        with pytest.raises(AuditorUnreachable, match="context is too long"):
            ask(question)
        assert ask(question).exchange["replies"][0]["format"] == "json_schema"


def test_many_threads_share_one_server(question: Question) -> None:
    with Loopback(fails(500), fails(429), resets, good) as server:
        ask = plugins.load("auditors", "openai").open({"base_url": server.url, "model": "m", "backoff": 0.001}, MACHINE)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: ask(question), range(16)))
    assert {answer.audit.status for answer in answers} == {"ok"}
    assert sum(answer.audit.usage.requests for answer in answers) == len(server.requests) == 19


# ------------------------------------------------------------------- settings


def opened(**settings: Any) -> Callable[[Question], Answer]:
    ask: Callable[[Question], Answer] = plugins.load("auditors", "openai").open(settings, MACHINE)
    return ask


def test_it_does_not_start_without_key_or_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"OPENAI_API_KEY.*api_key_env.*api_key_file.*--base-url.*OPENAI_BASE_URL"):
        opened(model="m")
    with pytest.raises(SettingsError, match=r"--lvlm-model.*model.*FSRBENCH_LVLM_MODEL"):
        opened(base_url="http://localhost:1/v1")
    with pytest.raises(SettingsError, match="MY_KEY"):
        opened(model="m", api_key_env="MY_KEY", base_url="http://localhost:1/v1")
    with pytest.raises(SettingsError, match="cannot be read"):
        opened(model="m", api_key_file=str(tmp_path / "none"))
    with pytest.raises(SettingsError, match="not written into settings") as error:
        opened(model="m", api_key=KEY)
    assert KEY not in str(error.value)
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY} {KEY}")
    with pytest.raises(SettingsError, match="no key") as error:
        opened(model="m")
    assert KEY not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"modell": "m"}, "Did you mean model"),
        ({"timeout": "long"}, "timeout must be int or float"),
        ({"attempts": True}, "attempts must be int"),
        ({"attempts": 0}, "from 1 to 20"),
        ({"base_url": "localhost:8000"}, "http://"),
        ({"base_url": "http://me:secret@host/v1"}, "no user or password"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        opened(**{"base_url": "http://localhost:1/v1", "model": "m", **settings})


def test_where_the_key_comes_from(question: Question, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "schlüssel.txt"
    path.write_text("file-key-12345678\n", encoding="utf-8")
    monkeypatch.setenv("OTHER_KEY", "other-key-12345678")
    with Loopback(good) as server:
        audit(server, question)
        audit(server, question, api_key_env="OTHER_KEY")
        audit(server, question, api_key_file=str(path))
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("FSRBENCH_LVLM_MODEL", "from-the-environment")
        opened()(question)
    sent = [headers["authorization"] for headers in server.headers]
    assert sent == ["Bearer none", "Bearer other-key-12345678", "Bearer file-key-12345678", "Bearer none"]
    assert server.requests[-1]["model"] == "from-the-environment"


# ------------------------------------------------------------------- scripted


def scripted(question: Question, **settings: Any) -> Answer:
    answer: Answer = plugins.load("auditors", "scripted").open(settings, MACHINE)(question)
    return answer


def test_script_goes_through_the_reader(question: Question, tmp_path: Path) -> None:
    said = scripted(question, replies=[{"score": 60, "hints": {"dehalo": 0.5}}]).audit
    assert (said.status, said.score, said.confidence, said.hints) == ("ok", 60, 100, {"dehalo": 0.5})
    assert scripted(question, replies=["garbage"]).audit.status == "invalid"
    assert scripted(question, replies=[{"score": 600}]).audit.reason == "unusable: score is 600, outside 0 to 100"
    with pytest.raises(AuditorUnreachable, match="gone fishing"):
        scripted(question, replies=[{"unreachable": "gone fishing"}])
    script = tmp_path / "skript.yaml"
    script.write_text("case-1: {score: 11}\n", encoding="utf-8")
    assert scripted(question, file=str(script)).audit.score == 11


def test_script_selects_by_case_and_round(question: Question) -> None:
    by_case = {"case-1/1": {"score": 1}, "case-1": [{"score": 2}, {"score": 3}], "*": {"score": 4}}
    assert scripted(question, replies=by_case).audit.score == 1
    del by_case["case-1/1"]
    assert scripted(question, replies=by_case).audit.score == 2
    del by_case["case-1"]
    assert scripted(question, replies=by_case).audit.score == 4
    with pytest.raises(AuditorUnreachable, match="no reply for case-1/1"):
        scripted(question, replies={"other": {"score": 5}})


@pytest.mark.parametrize("settings", [{}, {"replies": []}, {"replies": [1], "file": "x"}, {"reply": 1}, {"file": "no"}])
def test_script_settings(question: Question, settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        scripted(question, **settings)


# ------------------------------------------------------------------ heuristic


def heuristic(question: Question) -> Answer:
    answer: Answer = plugins.load("auditors", "heuristic").open({}, MACHINE)(question)
    return answer


def planted(face: Image) -> dict[str, Image]:
    data = np.frombuffer(images.encode(face, "jpeg", 30), np.uint8)
    blocks = np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1], np.float32) / 255
    kept = np.hypot(np.fft.fftfreq(face.shape[0])[:, None], np.fft.fftfreq(face.shape[1])[None]) < 0.25
    rings = np.fft.ifft2(np.fft.fft2(face, axes=(0, 1)) * kept[:, :, None], axes=(0, 1)).real
    sharp = face + 3 * (face - cv2.GaussianBlur(face, (0, 0), 1.5))
    colour = face * np.array([1.1, 1, 0.9])
    spoilt = {"blockiness": blocks, "ringing": rings, "oversharpening": sharp, "color_shift": colour}
    return {tag: images.as_stored(picture.astype(np.float32)) for tag, picture in spoilt.items()}


def conforms(value: Any, schema: dict[str, Any]) -> bool:
    """A small validator for the part of JSON schema that is used."""
    kinds = {"object": dict, "array": list, "string": str, "number": (int, float), "boolean": bool, "null": type(None)}
    wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(isinstance(value, kinds[kind]) and (kind == "boolean") == isinstance(value, bool) for kind in wanted):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, dict):
        return set(value) == set(schema["required"]) and all(
            conforms(item, schema["properties"][name]) for name, item in value.items()
        )
    if isinstance(value, list):
        return all(conforms(item, schema["items"]) for item in value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    return True


@pytest.mark.parametrize("family", ["general", "blind", "prior"])
def test_heuristic_answers_in_the_schema(family: str, face: Image) -> None:
    lr = images.as_stored(images.resize(face, 128, 128))
    for picture in (face, *planted(face).values()):
        question = ask_about(picture, lr, family)
        answer = heuristic(question)
        assert answer == heuristic(question)
        said = answer.audit
        hints = dict.fromkeys(question.knobs) | said.hints
        fields = {"score": said.score, "confidence": said.confidence, "tags": list(said.tags)}
        assert conforms({**fields, "hints": hints, "reason": said.reason}, schema(question.offered))
        json.dumps(to_json(answer), allow_nan=False)


def test_heuristic_leaves_a_clean_face_alone(face: Image) -> None:
    said = heuristic(ask_about(face, images.as_stored(images.resize(face, 128, 128)))).audit
    assert said.tags == ()
    assert said.hints == {}
    assert said.score is not None
    assert said.score >= 85
    assert said.confidence is not None
    assert said.confidence >= 80


@pytest.mark.parametrize(
    ("tag", "family", "knob", "up"),
    [
        ("blockiness", "general", "detail_damping", True),
        ("ringing", "general", "detail_damping", True),
        ("oversharpening", "general", "detail_damping", True),
        ("color_shift", "general", "color_balance", True),
        ("oversharpening", "prior", "restore_weight", False),
        ("oversharpening", "blind", "scale", False),
    ],
)
def test_heuristic_tags_and_answers_what_is_planted(tag: str, family: str, knob: str, up: bool, face: Image) -> None:
    lr = images.as_stored(images.resize(face, 128, 128))
    question = ask_about(planted(face)[tag], lr, family)
    said = heuristic(question).audit
    assert tag in said.tags
    assert said.score is not None
    assert said.score < 80
    assert said.confidence is not None
    assert said.confidence >= 80
    assert (said.hints[knob] > question.knobs[knob]) is up


@pytest.mark.parametrize(
    ("tag", "family"), [("blockiness", "prior"), ("blockiness", "blind"), ("ringing", "prior"), ("ringing", "blind")]
)
def test_heuristic_asks_for_nothing_where_no_remedy_helps(tag: str, family: str, face: Image) -> None:
    """Turning `restore_weight` down blends the blocky input back in; a halved picture rings as much."""
    lr = images.as_stored(images.resize(face, 128, 128))
    qa: dict[str, float | None] = {**dict.fromkeys(TAGS, 0.0), tag: 5.0}
    question = replace(ask_about(face, lr, family), evidence=Evidence(lr, face, (), "", qa))
    said = heuristic(question).audit
    assert said.tags == (tag,)
    assert said.hints == {}


def test_heuristic_does_not_turn_a_knob_past_its_end(face: Image) -> None:
    lr = images.as_stored(images.resize(face, 128, 128))
    said = heuristic(ask_about(planted(face)["color_shift"], lr, "general", color_balance=1.0)).audit
    assert "color_balance" not in said.hints


def test_heuristic_is_unsure_where_it_cannot_measure() -> None:
    tiny = np.full((4, 4, 3), 0.5, np.float32)
    said = heuristic(ask_about(tiny, tiny[:1, :1])).audit
    assert said.confidence is not None
    assert said.confidence < 50


def test_heuristic_is_unsure_near_a_threshold(question: Question) -> None:
    from fsrbench.auditors import heuristic as module

    curve = module.CURVES["ringing"]
    near = dict.fromkeys(module.CURVES, 0.0) | {"ringing": curve.threshold + 0.1 * curve.width}
    far = near | {"ringing": curve.threshold + 10 * curve.width}
    confidences = []
    for qa in (near, far):
        seen = Evidence(question.evidence.lr, question.evidence.sr, (), "", dict(qa))
        asked = Question("c", "general", 1, 0, seen, question.knobs, question.offered)
        confidences.append(heuristic(asked).audit.confidence)
    assert confidences[0] is not None
    assert confidences[1] is not None
    assert confidences[0] < 60 < 95 < confidences[1]


def test_heuristic_has_no_settings() -> None:
    with pytest.raises(SettingsError, match="has none"):
        plugins.load("auditors", "heuristic").open({"threshold": 1}, MACHINE)
