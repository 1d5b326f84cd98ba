"""Files of a run, written atomically and read with suspicion.

A file is either the last whole version or the new one, never half of it. A folder that is read may have been edited,
truncated, or made by someone else.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from core.errors import RunError

TEMPORARY = re.compile(r"\..+\.tmp")


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then rename it into place.

    The temporary name starts with a dot and is removed if writing fails, so readers never see it. The folder above
    ``path`` is made if need be, but not the one above that: a run folder deleted meanwhile does not come back.

    Raises
    ------
    RunError
        If the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}.tmp")
    try:
        path.parent.mkdir(exist_ok=True)
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        remedy = "Make room or give permission there, or point EPOCH_ATLAS_RUNS at another folder"
        raise RunError(f"{path} cannot be written ({reason})", remedy) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write bytes atomically."""
    write_atomic(path, lambda temporary: temporary.write_bytes(data))


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON (no NaN) atomically, with keys in the order given."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(path, text.encode())


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV atomically, without its index. Floats are written so that they read back exactly."""
    write_bytes(path, frame.to_csv(index=False).encode())


def clear_temporary(folder: Path) -> None:
    """Delete what writers that were killed left in a folder and the folders directly in it."""
    for file in [*folder.glob(".*.tmp"), *folder.glob("*/.*.tmp")]:
        with suppress(OSError):
            file.unlink()


def read_inside(folder: Path, name: str, most_bytes: int) -> bytes:
    """Return the bytes of a plain file inside ``folder``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it is no plain file, is reached through a link, is larger than ``most_bytes``, or cannot be read.
    """
    path = folder / name
    if path.resolve() != folder.resolve() / name:
        raise OSError(errno.ELOOP, "it is reached through a link")
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):  # opening a pipe would wait for ever
        raise OSError(errno.EINVAL, "it is no plain file")
    if about.st_size > most_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {most_bytes:,} bytes")
    return path.read_bytes()


def parse_json(data: bytes) -> Any:
    """Return the value of strict JSON: NaN, infinities and bottomless nesting raise ValueError."""
    try:
        return json.loads(data, parse_float=_finite, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _refuse(text: str) -> float:
    raise ValueError(f"{text[:40]} is no finite number")


def reason(error: Exception) -> str:
    """Return what an error says, without the path that an OSError repeats."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
