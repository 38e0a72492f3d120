"""A Ray cluster: how workers are laid over it, and how it is reached, or started here where nobody else can reach it.

Starting a cluster of several machines is the business of Ray's own tools.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import secrets
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fsrbench.core.errors import SettingsError, Unavailable, first_line, missing_package

LOOPBACK = "127.0.0.1"
"""The only address at which a cluster that is started here can be reached."""
STORE = 256_000_000
"""Bytes of Ray's object store where it is started here: results are small and do not stay."""


@dataclass(frozen=True, slots=True)
class Places:
    """How workers are laid over a cluster."""

    workers: int
    """How many."""
    cpus: int
    """Cores of each."""
    gpus: int
    """GPUs of each: 1, or 0 for those that compute on the CPU."""


def lay_out(nodes: Sequence[tuple[int, int]], workers: int | None, device: str) -> Places:
    """Workers for nodes of (cores, GPUs): one a GPU, or one a node with all its cores; or as many as were asked for.

    Those that were asked for get as many cores as allow all of them a place.
    """
    nodes = [(cores, gpus) for cores, gpus in nodes if cores > 0 and (gpus > 0 or device != "cuda")]
    if not nodes:
        raise SettingsError(f"The Ray cluster has no node for --device {device}: see 'ray status'.")
    if device == "cuda":
        there = sum(gpus for _, gpus in nodes)
        wanted, cpus = workers or there, max(1, min(cores // gpus for cores, gpus in nodes))
        if wanted > there:
            raise SettingsError(f"--workers {wanted}: a worker needs a GPU, and the Ray cluster has {there}.")
        return Places(wanted, cpus, 1)
    wanted = workers or len(nodes)
    most = max(cores for cores, _ in nodes)
    for cpus in range(most, 0, -1):
        if sum(cores // cpus for cores, _ in nodes) >= wanted:
            return Places(wanted, cpus, 0)
    there = sum(cores for cores, _ in nodes)
    raise SettingsError(f"--workers {wanted}: a worker needs a core, and the Ray cluster has {there}.")


def resolve_device(name: str, address: str | None) -> str:
    """`auto` by what the cluster has, which this machine may have not."""
    if name not in ("auto", "cpu", "cuda"):
        raise SettingsError(f"--device {name}: with --executor ray say auto, cpu or cuda; which GPU is Ray's choice.")
    if name != "auto":
        return name
    with connected(address) as ray:
        return "cuda" if any(gpus for _, gpus in nodes(ray)) else "cpu"


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Ray, connected until this is left, or longer by whoever did so before. Telemetry and dashboard are off.

    A cluster that is started here listens on this machine's loopback only and answers nobody without its token.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what Ray is about to do anyway
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address is None:
        os.environ.update(alone())  # Ray reads it once, when it is imported
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError:
        raise missing_package("ray", "ray", "--executor ray") from None
    if ray.is_initialized():
        yield ray
        return
    own = {"include_dashboard": False, "object_store_memory": STORE, "_node_ip_address": LOOPBACK}
    try:
        with _own_signals():
            ray.init(
                address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **({} if address else own)
            )
    except Exception as error:  # Ray says in many ways, bare exceptions among them, that it did not start
        where = f"The Ray cluster at {address}" if address else "A Ray cluster of this machine"
        raise Unavailable(f"{where} could not be reached: {first_line(error)}. Try 'ray status' there.") from None
    try:
        if address is None and any(node["NodeManagerAddress"] != LOOPBACK for node in ray.nodes()):
            raise Unavailable(
                "Ray would listen on the network: it was imported before fsrbench could tell it not to. Start fsrbench "
                "by its command, or your own cluster with 'ray start' and --address."
            )
        yield ray
    finally:
        ray.shutdown()


@functools.cache
def alone() -> dict[str, str]:
    """Variables under which a cluster of this process is its own: no other interface, a token that nobody else has.

    The first one's name is for systems where Ray does the same by default; it decides which address a node has, and
    all of Ray's servers listen on loopback only where that is the node's.
    """
    return {
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself, and would end with another status and without a word: give it back."""
    kept = {}
    if threading.current_thread() is threading.main_thread():
        there = [getattr(signal, name) for name in ("SIGTERM", "SIGBREAK") if hasattr(signal, name)]
        kept = {number: signal.getsignal(number) for number in there}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def nodes(ray: Any) -> list[tuple[int, int]]:
    """Cores and GPUs of every node that is alive."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [(int(resources.get("CPU", 0)), int(resources.get("GPU", 0))) for resources in alive]
