"""A process that has imported everything once and forks a child for every run: a hundred of them cost seconds.

It reads one job a line from its standard input, `{"out": …, "kill": …}`, lets a child do the run and answers
with the child's wait status and how many moments there were. A child whose `kill` is a number kills itself
(SIGKILL) at that moment: a moment is any look at, or change of, a file in the run's folder, as the
interpreter's audit hooks report them; a text like `0.3s` kills it that long after its start, wherever it is.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any


def child(job: dict[str, Any], low: Path, high: Path, changes: list[str], counted: int) -> None:
    """One run and its evaluation."""
    from fsrbench import config, execute, publish, study
    from fsrbench.plugins import Machine
    from fsrbench.store import RunFolder

    out, moments = Path(job["out"]), 0
    if isinstance(job["kill"], str):
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, float(job["kill"].removesuffix("s")))

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal moments
        if event.startswith(("open", "os.")) and any(str(a).startswith(str(out)) for a in arguments[:2]):
            moments += 1
            if moments == job["kill"]:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    settings = config.with_arms(config.with_families(config.load(None, changes)[0], ["general"]), ["s"])
    study.run(settings, Machine(), low, high, out, workers=2)
    if job["evaluate"]:
        publish.run(RunFolder(out), Machine(), 2, execute.untracked)
    os.write(counted, str(moments).encode())


def main() -> None:
    """Serve jobs until the input ends."""
    for name in ("cv2", "lpips", "matplotlib.figure", "openai", "pydantic", "scipy.stats", "torchvision"):
        importlib.import_module(name)
    from fsrbench import publish, study  # noqa: F401

    low, high, *changes = sys.argv[1:]
    for line in sys.stdin:
        reader, writer = os.pipe()
        started = os.fork()
        if not started:
            os.close(reader)
            try:
                child(json.loads(line), Path(low), Path(high), changes, writer)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        os.close(writer)
        moments = os.read(reader, 20)
        os.close(reader)
        _, status = os.waitpid(started, 0)
        print(json.dumps({"status": status, "moments": int(moments or 0)}), flush=True)


if __name__ == "__main__":
    main()
