"""What a run folder holds for its readers, and the digests that tell whether a file is still the run's."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from core.errors import RunError
from core.runs.files import read_inside, reason

LOCK, TICKET = "lock", "ticket"  # held by the process that trains the run, and by the one that has queued it
RUN_JSON = "run.json"
# what only a training in progress needs; everything hidden is left behind too
PRIVATE = re.compile(rf"{LOCK}|{TICKET}|stop|job\.log|heartbeat\.json|resume.*|\..*")
SUFFIXES = (".json", ".csv", ".png", ".safetensors", ".skops")
MOST_BYTES = 1 << 30


def digest_of(data: bytes) -> str:
    """Return the first 32 hexadecimal digits of the SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()[:32]


def shipping(folder: Path) -> list[Path]:
    """Return the files that ship; RunError if there is one of a kind that does not."""
    files = []
    for file in sorted(folder.rglob("*")):
        if file.is_dir() and not file.is_symlink():
            continue
        if any(PRIVATE.fullmatch(part) for part in file.relative_to(folder).parts):
            continue
        if file.is_symlink() or file.suffix not in SUFFIXES:
            raise RunError(f"{file} is no file that ships", f"Delete it: runs hold only {', '.join(SUFFIXES)}")
        files.append(file)
    return files


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every file that ships, by its name inside the folder, ``run.json`` left out."""
    names = [file.relative_to(folder).as_posix() for file in shipping(folder)]
    return {name: digest_of(read_inside(folder, name, MOST_BYTES)) for name in names if name != RUN_JSON}


def check_contents(folder: Path, files: Mapping[str, str], remedy: str) -> None:
    """Raise RunError unless a folder holds exactly these files, as they were when their digests were taken."""
    try:
        found = digests(folder)
    except OSError as error:
        raise RunError(f"{folder} cannot be read ({reason(error)})", remedy) from None
    for name in sorted({*found, *files}):
        if name not in found:
            raise RunError(f"{folder / name} is missing", remedy)
        if name not in files:
            raise RunError(f"{folder / name} does not belong to the run: it is not listed in run.json", remedy)
        if found[name] != files[name]:
            raise RunError(f"{folder / name} no longer belongs to the run: its digest is not the one recorded", remedy)
