"""Settings of a deployment, read from environment variables each time they are asked for.

==========================  ========================================================  =================
variable                    meaning                                                   default
==========================  ========================================================  =================
EPOCH_ATLAS_RUNS            folder of the reader's own runs                           ``runs/``
EPOCH_ATLAS_DATA            folder of downloaded data sets                            per-user cache
EPOCH_ATLAS_READONLY        ``1`` hides and refuses training (public deployments)     off
EPOCH_ATLAS_MAX_EPOCHS      most epochs a training from a page may ask for            1000
EPOCH_ATLAS_MAX_QUEUE       most jobs queued or running at once                       8
EPOCH_ATLAS_WORKERS         jobs that run at the same time                            1
EPOCH_ATLAS_THREADS         torch threads of one training                             cores / workers
EPOCH_ATLAS_DASK            address of a Dask scheduler that runs the jobs            none
==========================  ========================================================  =================
"""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent


def _whole_number(name: str, default: int, low: int = 1) -> int:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10) or int(text) < low:
        raise ConfigError(f"{name} is {text[:40]!r}", f"Set it to a whole number of at least {low}, or unset it")
    return int(text)


def shipped_root() -> Path:
    """Folder of the runs that ship with the project."""
    return ROOT / "checkpoints"


def runs_root() -> Path:
    """Folder of the reader's own runs."""
    named = os.environ.get("EPOCH_ATLAS_RUNS", "").strip()
    try:
        return Path(named or ROOT / "runs").expanduser().resolve()
    except (RuntimeError, OSError) as error:  # an unknown ~user, or links that run in a circle
        raise ConfigError(f"EPOCH_ATLAS_RUNS is {named[:100]!r} ({error})", "Set it to a folder, or unset it") from None


def read_only() -> bool:
    """Whether training is hidden and refused."""
    return os.environ.get("EPOCH_ATLAS_READONLY", "").strip().lower() in {"1", "true", "yes", "on"}


def max_epochs() -> int:
    """Most epochs that a training started from a page may ask for."""
    return _whole_number("EPOCH_ATLAS_MAX_EPOCHS", 1000)


def max_queue() -> int:
    """Most jobs that may be queued or running at once."""
    return _whole_number("EPOCH_ATLAS_MAX_QUEUE", 8)


def workers() -> int:
    """Jobs that run at the same time."""
    return _whole_number("EPOCH_ATLAS_WORKERS", 1)


def threads() -> int:
    """Torch threads of one training process: never more than there are cores, or than OMP_NUM_THREADS allows."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    outside = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # its first number is for the outermost level
    if outside.isascii() and outside.isdecimal() and 0 < int(outside[:9]) < cores:
        cores = int(outside[:9])
    return min(cores, _whole_number("EPOCH_ATLAS_THREADS", max(1, cores // workers())))


def dask_address() -> str | None:
    """Address of the Dask scheduler that runs the jobs, if one is named."""
    return os.environ.get("EPOCH_ATLAS_DASK", "").strip() or None
