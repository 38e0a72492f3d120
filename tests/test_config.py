"""Settings: a mistake is answered with its line and the nearest name; what is not said stays the default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrbench import auditors
from fsrbench.core import auditing, contracts, plugins
from fsrbench.core.errors import SettingsError
from fsrbench.core.plugins import shipped
from fsrbench.experiments import sweep
from fsrbench.study import config, ray_worker, schema


def write(folder: Path, text: str) -> Path:
    path = folder / "mine é.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_are_the_shipped_file() -> None:
    loaded, own = config.load(None)
    stated = yaml.safe_load((shipped("configs") / "default.yaml").read_text(encoding="utf-8"))
    assert loaded == schema.Settings.model_validate(stated)
    assert own == ()
    assert (loaded.policy.min_confidence, loaded.policy.retries) == (80, 1)


def test_a_file_changes_only_what_it_names(tmp_path: Path) -> None:
    loaded, own = config.load(write(tmp_path, "policy: {retries: 2}\narms: {mine: {auditor: heuristic}}\n"))
    assert loaded.policy.retries == 2
    assert loaded.policy.accept_score == 80
    assert own == ("mine",)
    assert {"lvlm", "heuristic", "rerun", "random", "oracle", "mine"} == set(loaded.arms)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("seed: 0\npolcy: {retries: 1}\n", 2, ["polcy", "Did you mean policy?"]),
        ("seed: 0\n\npolicy:\n  retires: 1\n", 4, ["policy.retires", "Did you mean retries?"]),
        ("policy: {retries: many}\n", 1, ["policy.retries", "integer", "'many'"]),
        ("policy:\n  min_confidence: 120\n", 2, ["policy.min_confidence", "100", "120"]),
        ("families:\n  general: {backend: realesgran}\n", 2, ["Did you mean realesrgan?"]),
        ("arms:\n  a: {way: rerun, auditor: heuristic}\n", 2, ["arms.a.auditor", "rerun asks no auditor"]),
        ("arms:\n  a: {policy: paper}\n", 2, ["arms.a.auditor", "the way audit needs one"]),
        ("arms:\n  a:\n    auditor: opnai\n", 3, ["Did you mean openai?"]),
        ("metrics:\n- psnr\n- sim\n", 1, ["metric 'sim'", "Did you mean ssim?"]),
        ("arms:\n  ../x: {auditor: heuristic}\n", 2, ["cannot be a name"]),
        ("arms:\n  a: {auditor: heuristic, limits: {retry: 1}}\n", 2, ["retry", "Did you mean retries?"]),
        ("families: {prior: {aligned: sometimes}}\n", 1, ["families.prior.aligned"]),
        ("seed: [1\n", 2, ["not valid YAML"]),
        ("seed: 0\npolicy: {retries: 1}\nseed: 1\n", 3, ["seed stands there twice", "line 1"]),
        ("families:\n  trails: {backend: bicubic}\n", 2, ["cannot be a name"]),
        ('families:\n  "x\\n": {backend: bicubic}\n', 2, ["cannot be a name"]),
        ("policy: 3\n", 1, ["policy", "must hold keys and values"]),
    ],
)
def test_mistakes_name_file_line_and_nearest(tmp_path: Path, text: str, line: int, words: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        config.load(path)
    message = str(caught.value)
    assert path.name in message
    assert f"line {line}" in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    "change", ["policy.retries", "=1", "a..b=1", "seed.x=1", "policy.retries=[", "polcy.retries=1"]
)
def test_mistakes_in_set(change: str) -> None:
    with pytest.raises(SettingsError):
        config.load(None, [change])


@pytest.mark.parametrize("text", ["a: &a [*a]\n", "a: &a [1]\nb: [*a, *a]\n"])
def test_aliases_are_refused_before_they_can_grow(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="alias"):
        config.load(write(tmp_path, text))


def test_a_backend_is_not_offered_knobs_that_it_cannot_act_on() -> None:
    loaded, _ = config.load(None, ["families.prior.backend=bicubic", "families.blind.backend=bicubic"])
    assert loaded.offered("prior") == {}
    assert set(loaded.offered("blind")) == {"denoise", "deblock"}


def test_set_reaches_every_key() -> None:
    loaded, _ = config.load(
        None, ["families.general.model=/a b/é.pth", "metrics=psnr,ssim", "metrics=niqe", "families.blind.knobs=scale",
               "arms.x.auditor=heuristic", "arms.x.limits.retries=3", "faces.detector=d.onnx"],
    )  # fmt: skip
    assert loaded.families["general"].model == "/a b/é.pth"
    assert loaded.metrics == ("niqe",)
    assert set(loaded.offered("blind")) == {"scale"}
    assert loaded.limits_of("x").retries == 3
    assert loaded.limits_of("lvlm").retries == 1
    assert loaded.faces.detector == Path("d.onnx")


def test_the_paper_config_loads() -> None:
    loaded, own = config.load(shipped("configs") / "paper.yaml")
    assert loaded.models == "official"
    assert own == ("lvlm",)


def test_the_papers_knobs_are_offered_and_deep_ones_only_when_named() -> None:
    loaded, _ = config.load(None)
    assert set(loaded.offered("general")) == {"color_balance", "dehalo", "detail_damping"}
    assert set(loaded.offered("blind")) == {"scale", "denoise", "deblock"}
    assert set(loaded.offered("prior")) == {"restore_weight", "only_center_face"}
    deep, _ = config.load(None, ["families.prior.knobs=restore_weight,sft_strength"])
    assert set(deep.offered("prior")) == {"restore_weight", "sft_strength"}
    none, _ = config.load(None, ["families.prior.knobs=[]"])
    assert none.offered("prior") == {}
    assert all(
        k.deep for n in ("sft_strength", "noise_strength", "denoise_strength") for k in [plugins.load("knobs", n)]
    )


def test_arms_and_families_are_chosen_by_name() -> None:
    loaded, _ = config.load(None)
    assert list(config.with_arms(loaded, ["heuristic", "pure"]).arms) == ["heuristic"]
    assert config.with_arms(loaded, ["scripted"]).arms["scripted"].auditor == "scripted"
    assert list(config.with_families(loaded, ["blind"]).families) == ["blind"]
    with pytest.raises(SettingsError, match="Did you mean heuristic"):
        config.with_arms(loaded, ["heuristik"])
    with pytest.raises(SettingsError, match="Did you mean blind"):
        config.with_families(loaded, ["blnd"])


def test_options_reach_the_arms_that_take_them() -> None:
    chosen = config.with_arms(config.load(None)[0], ["lvlm", "heuristic"])
    changed = config.with_options(chosen, base_url="http://127.0.0.1:1/v1", model="m", policy="paper")
    assert changed.arms["lvlm"].settings == {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
    assert changed.arms["heuristic"].settings == {}
    with pytest.raises(SettingsError, match="policy"):
        config.with_options(chosen, base_url=None, model=None, policy="strict")


@pytest.mark.parametrize("arms", [(), ("lvlm",), ("rerun",)])
def test_a_policy_with_a_slip_in_it_is_refused_with_the_nearest_name(arms: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match=r"no policy 'guard'\. Did you mean guarded\? Known: paper, guarded"):
        config.with_options(config.with_arms(config.load(None)[0], arms), policy="guard")


def test_a_policy_holds_for_the_arms_that_can_follow_it_and_says_which() -> None:
    chosen = config.with_arms(config.load(None)[0], ["lvlm", "rerun", "random", "heuristic", "oracle"])
    changed = config.with_options(chosen, policy="guarded")
    assert {name for name, arm in changed.arms.items() if arm.policy == "guarded"} == {"lvlm", "random", "heuristic"}
    assert config.followed(changed, "guarded") == (
        "Policy guarded holds for lvlm, random, heuristic; oracle (paper) cannot compare two pictures and stays as it "
        "is; rerun asks nobody."
    )
    assert config.followed(config.with_options(config.with_arms(chosen, ["lvlm"]), policy="paper"), "paper") == ""
    for arms in ([], ["rerun"], ["rerun", "oracle"]):
        with pytest.raises(SettingsError, match="--policy guarded is for arms that can follow it"):
            config.with_options(config.with_arms(chosen, arms), policy="guarded")


@pytest.mark.parametrize("auditor", plugins.names("auditors"))
def test_whoever_is_said_to_compare_does(auditor: str, tmp_path: Path) -> None:
    declared = plugins.load("auditors", auditor)
    own: dict[str, object] = {"openai": {"base_url": "http://127.0.0.1:1/v1", "model": "m"}}.get(auditor, {})
    if auditor == "replay":
        (tmp_path / "study.yaml").write_text("settings: {arms: {a: {auditor: random}}}", encoding="utf-8")
        own = {"run": str(tmp_path)}
    if auditor == "scripted":
        own = {"replies": [{"score": 50}], "preferences": ["first", "first"]}
    assert isinstance(declared.open(own, contracts.Machine()), auditing.Comparer) == declared.compares


@pytest.mark.parametrize(
    ("option", "value"),
    [("base_url", "http://127.0.0.1:1/v1"), ("model", "m"), ("concurrency", 4), ("max_cost", 1.0)],
)
def test_an_option_that_no_arm_takes_is_refused(option: str, value: object) -> None:
    chosen = config.with_arms(config.load(None)[0], ["heuristic"])
    with pytest.raises(SettingsError, match=f"{config.FLAGS[option]} is for an arm that asks a model.*--lvlm"):  # type: ignore[index]
        config.with_options(chosen, **{option: value})  # type: ignore[arg-type]


def test_an_auditor_of_the_user_says_which_options_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One new file, no list to edit: options, cases in flight, a sweep's cache and a pool's shares ask the plugin."""
    plugin = tmp_path / "plugins" / "auditors" / "mine_over_the_net.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(
        "from fsrbench.plugins import Auditor\n"
        'AUDITOR = Auditor("mine", lambda settings, machine: None, takes=("concurrency", "max_cost", "cache"))\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("FSRBENCH_PLUGINS", str(tmp_path / "plugins"))
    monkeypatch.setattr(auditors, "__path__", [*auditors.__path__])
    chosen = config.with_arms(config.load(None)[0], ["mine_over_the_net", "heuristic"])
    assert chosen.in_flight() == 4 * auditing.CONCURRENCY
    with pytest.raises(SettingsError, match="--base-url is for an arm that asks a model"):
        config.with_options(chosen, base_url="http://127.0.0.1:1/v1")
    changed = config.with_options(chosen, concurrency=6, max_cost=3.0)
    assert changed.arms["mine_over_the_net"].settings == {"concurrency": 6, "max_cost": 3.0}
    assert changed.arms["heuristic"].settings == {}
    assert changed.in_flight() == 24
    remembering = sweep._remembering(changed, tmp_path).arms
    assert remembering["mine_over_the_net"].settings.keys() == {"concurrency", "max_cost", "cache"}
    assert remembering["heuristic"] == changed.arms["heuristic"]
    own = ray_worker.shared(changed, 3)
    assert own.arms["mine_over_the_net"].settings == {"concurrency": 2, "max_cost": 1.0}
    with pytest.raises(SettingsError, match="raise --concurrency to 10"):
        ray_worker.shared(chosen, 10)


@pytest.mark.slow
def test_a_thousand_mutated_files_are_loaded_or_refused_in_words(tmp_path: Path, record_property: Any) -> None:
    text = (shipped("configs") / "default.yaml").read_text(encoding="utf-8")
    path = tmp_path / "mutated.yaml"
    ends = {"loaded": 0, "refused": 0}

    @settings(max_examples=1000, deadline=None, derandomize=True, database=None)
    @given(st.one_of(st.text(max_size=200), st.sampled_from(YAMLISH)), st.integers(0, len(text)), st.integers(0, 60))
    def load(noise: str, at: int, cut: int) -> None:
        path.write_bytes((text[:at] + noise + text[at + cut :]).encode("utf-8", "surrogatepass"))
        try:
            config.load(path)
        except SettingsError as error:  # anything else is a traceback, and fails
            ends["refused" if str(error).strip() else "refused without a word"] += 1
        else:
            ends["loaded"] += 1

    load()
    assert ends["loaded"] + ends["refused"] == sum(ends.values()) >= 1000
    record_property("fault", f"{sum(ends.values())} mutated config files: {ends['refused']} refused in words, "
                             f"{ends['loaded']} still valid, no traceback")  # fmt: skip


YAMLISH = ("null", "[]", "{}", ": ", "- ", "&a ", "*a", "!!python/object:os.system ", "1e999", ".nan", "0x", "\t",
           "---\n", "? ", "<<: ", "'", '"', "|\n", "~", "2026-02-30", "1:2:3", "..", "\x00", "\ufeff")  # fmt: skip
"""Pieces that mean something to a YAML reader."""
