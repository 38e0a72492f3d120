"""A run against a server that this project did not write: `transformers serve`, with a model of random weights.

What comes back is noise, which is what makes it a test: it must be told from an answer, counted and recorded, and
leave the pictures alone. The model is made here, so that nothing is downloaded.
"""

from __future__ import annotations

import csv
import http.client
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fsrbench.core.contracts import Machine
from fsrbench.imaging import images
from fsrbench.measure import evaluate, subjects
from fsrbench.measure.results import Numbers
from fsrbench.measure.summary import summarise
from fsrbench.study import config, schema
from fsrbench.study.run import run_study
from support import ROOT, draw_face

NEEDED = ("transformers", "fastapi", "uvicorn")
MISSING = [package for package in NEEDED if importlib.util.find_spec(package) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"{MISSING} not installed: pip install 'transformers[serving]>=5.23'"),
]

CASES = 2
MAX_TOKENS = 24
PATIENCE = 120.0
"""Seconds that the server may take until it answers."""
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for p in m['content'] %}{% if p['type'] == 'text' %}{{ p['text'] }}{% else %}<image>{% endif %}{% endfor %}"
    "{% endif %}\n{% endfor %}assistant:"
)


@dataclass(frozen=True)
class Served:
    """A server that is up."""

    base_url: str
    model: str
    log: Path


def make_model(folder: Path) -> None:
    """A LLaVA small enough to answer at once: two layers that see, one that writes, 400 tokens, random weights."""
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>", "<pad>", "<image>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words.train_from_iterator((ROOT / "prompts" / "general.md").read_text(encoding="utf-8").splitlines(), trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    processor = transformers.LlavaProcessor(
        transformers.CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        image_token="<image>",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    )
    eyes = transformers.CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
    )
    mouth = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=16384,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    image_token = tokenizer.convert_tokens_to_ids("<image>")
    torch.manual_seed(0)
    model = transformers.LlavaForConditionalGeneration(
        transformers.LlavaConfig(vision_config=eyes, text_config=mouth, image_token_index=image_token)
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    make_model(folder / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub"), "OMP_NUM_THREADS": "1"}
    serve = "from transformers.cli.transformers import main; main()"
    words = ["serve", str(folder / "model"), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    log = folder / "server.txt"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-c", serve, *words], stdout=sink, stderr=subprocess.STDOUT, env=environment
        )
        try:
            until = time.monotonic() + PATIENCE
            while not answers(port):
                if process.poll() is not None or time.monotonic() > until:
                    pytest.fail(f"the server did not come up:\n{log.read_text(encoding='utf-8', errors='replace')}")
                time.sleep(0.25)
            yield Served(f"http://127.0.0.1:{port}/v1", str(folder / "model"), log)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def exchanges(out: Path) -> list[dict[str, Any]]:
    """Those of audits; the question before the run is kept beside them."""
    paths = (path for path in sorted((out / "audits").rglob("*.json")) if "preflight" not in path.parts)
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def test_noise_from_a_foreign_server_leaves_the_baseline(served: Served, tmp_path: Path) -> None:
    for number in range(CASES):
        hr = draw_face(96, number)
        images.write(tmp_path / "hr" / f"face {number}.png", hr)
        images.write(tmp_path / "lr" / f"face {number}.png", images.resize(hr, 24, 24))
    arm = {
        "auditor": "openai",
        "base_url": served.base_url,
        "model": served.model,
        "max_tokens": MAX_TOKENS,
    }
    changes = ["families.general.backend=bicubic", "metrics=psnr", "policy.retries=1", f"arms.lvlm={json.dumps(arm)}"]
    settings, _ = config.load(None, changes)
    settings = config.with_arms(config.with_families(settings, ["general"]), ["lvlm"])
    out = tmp_path / "out"

    outcome = run_study(settings, Machine(), tmp_path / "lr", tmp_path / "hr", out)

    assert outcome.failures == []
    assert outcome.done == CASES
    assert rows(out / "failures.csv") == []

    table = rows(out / "run_config.csv")
    audited = [row for row in table if row["arm"] == "lvlm"]
    assert len(audited) == CASES
    for row in audited:
        assert row["audit"] == "invalid"
        assert row["score"] == ""
        assert row["applied"] == ""
        assert int(row["requests"]) >= 2, "the question, and once more with what was wrong"
        assert int(row["prompt_tokens"]) > 500, "a prompt with its pictures"
        assert 0 < int(row["completion_tokens"]) <= MAX_TOKENS * int(row["requests"])
    pictures = {arm: sorted((out / "general" / arm).glob("*.png")) for arm in ("pure-fsr", "fsr+lvlm")}
    assert len(pictures["pure-fsr"]) == CASES
    for pure, supervised in zip(pictures["pure-fsr"], pictures["fsr+lvlm"], strict=True):
        assert pure.read_bytes() == supervised.read_bytes()

    what = subjects.of_run(outcome.folder, schema.Settings.model_validate(outcome.folder.study()["settings"]))
    summary = summarise(what, Numbers(evaluate.measure(what, Machine())))
    counts = summary.counts["general"].arms["lvlm"]
    assert counts.invalid == counts.done == CASES
    assert counts.failed == counts.changed == 0
    assert counts.tokens == sum(int(row[name]) for row in audited for name in ("prompt_tokens", "completion_tokens"))
    assert summary.families["general"]["psnr"].arms["lvlm"].delta == 0

    records = exchanges(out)
    assert len(records) == CASES
    said = [reply for record in records for reply in record["replies"]]
    assert said[0]["format"] == "json_schema", "what was asked for first"
    for reply in said:
        assert reply["format"] in ("json_schema", "json_object", "text")
        assert reply["problem"]
        assert reply["model"].startswith(served.model), "the model as the server names it"
        assert reply["prompt_tokens"] > 500
        assert 0 < reply["completion_tokens"] <= MAX_TOKENS
    log = served.log.read_text(encoding="utf-8", errors="replace")
    assert "response_format" in log, "the server says itself that it took no notice of the format"
