"""A process that has imported everything once and forks a child for every run: a hundred of them cost seconds.

It reads one job a line from its standard input, `{"out": …, "kill": …}`, lets a child do the run and answers
with the child's wait status and how many moments there were. A child whose `kill` is a number kills itself
(SIGKILL) at that moment: a moment is any look at, or change of, a file in the run's folder, as the
interpreter's audit hooks report them; a text like `0.3s` kills it that long after its start, wherever it is.

A job with `spare` may take so many bytes of memory more than it has, and no more; it is run as the command line
runs it, and what it says goes to the file `said`.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

FAMILY, ARM = "general", "s"


def child(job: dict[str, Any], low: Path, high: Path, changes: list[str], counted: int) -> None:
    """One run and its evaluation."""
    from fsrbench.core import execute
    from fsrbench.core.contracts import Machine
    from fsrbench.files import atomic
    from fsrbench.show import plots, publish
    from fsrbench.study import config
    from fsrbench.study.run import run_study
    from fsrbench.study.store import RunFolder

    out, moments = Path(job["out"]), 0
    files = [out / "plots" / f"forest{suffix}" for suffix in (".svg", ".png")]

    def draw(_results: object, _track: object) -> list[Path]:
        """In place of plots, which take most of an evaluation's time: files, written as theirs are."""
        for file in files:
            atomic.write_bytes(file, b"a plot")
        return files

    if isinstance(job["kill"], str):
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, float(job["kill"].removesuffix("s")))

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal moments
        if event.startswith(("open", "os.")) and any(str(a).startswith(str(out)) for a in arguments[:2]):
            moments += 1
            if moments == job["kill"]:
                os.kill(os.getpid(), signal.SIGKILL)

    plots.draw = draw
    sys.addaudithook(watch)
    settings = config.with_arms(config.with_families(config.load(None, changes)[0], [FAMILY]), [ARM])
    run_study(settings, Machine(), low, high, out, workers=2)
    if job["evaluate"]:
        publish.run(RunFolder(out), Machine(), 2, execute.untracked)
    os.write(counted, str(moments).encode())


def starved(job: dict[str, Any], low: Path, high: Path, changes: list[str]) -> None:
    """The same with little memory, by the command line, which has a sentence for what happens then.

    In one thread: the interpreter itself waits for ever for a thread that found no memory for its first step.
    """
    import resource

    from fsrbench.cli import app

    said = os.open(job["said"], os.O_CREAT | os.O_WRONLY)
    os.dup2(said, 1)
    os.dup2(said, 2)
    options = {"--family": FAMILY, "--arm": ARM, "--lr": low, "--hr": high, "--out": job["out"], "--device": "cpu"}
    sys.argv = ["fsrbench", "run", "--workers", "1", *(str(word) for pair in options.items() for word in pair)]
    sys.argv += [] if job["evaluate"] else ["--no-evaluate"]
    sys.argv += [word for change in changes for word in ("--set", change)]
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + job["spare"]
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    signal.alarm(20)  # should a library wait likewise, this ends it as the system's killer would
    app.main()


def main() -> None:
    """Serve jobs until the input ends."""
    for name in ("cv2", "lpips", "matplotlib.figure", "openai", "pydantic", "scipy.stats", "torchvision"):
        importlib.import_module(name)
    from fsrbench.study.run import run_study  # noqa: F401

    low, high, *changes = sys.argv[1:]
    for line in sys.stdin:
        job = json.loads(line)
        own = [Path(folder) for folder in job["faces"] or (low, high)]
        reader, writer = os.pipe()
        started = os.fork()
        if not started:
            os.close(reader)
            try:
                if job["spare"] is None:
                    child(job, *own, changes, writer)
                else:
                    starved(job, *own, changes)
            except SystemExit as ended:
                os._exit(int(ended.code or 0))
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
