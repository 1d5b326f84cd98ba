"""The download of data sets from torchvision's mirrors.

A file arrives under a temporary name of its own in the folder where it belongs, is checked and unpacked there, and is
renamed when it is whole. Whatever happens, and however many processes download at once, a file under its final name
is complete. Nothing is resumed: the largest file is 26 MB.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import importlib
import os
import secrets
import shutil
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.data.catalogue import DatasetInfo, find
from core.data.files import data_root, missing_files, raw_folder, zipped
from core.errors import DataError

CHUNK_BYTES = 1 << 16
TIMEOUT_S = 30.0
ABANDONED_AFTER_S = 24 * 3600.0
PART_SUFFIX = ".part"

Progress = Callable[[int, int], None]
ShouldStop = Callable[[], bool]


class _MirrorFailed(Exception):
    """One mirror did not give the file; the next one may."""


def download(name: str, progress: Progress | None = None, should_stop: ShouldStop | None = None) -> None:
    """Bring a data set's missing files to this machine; return at once if none is missing.

    Parameters
    ----------
    name : str
        Name of the data set.
    progress : callable, optional
        Called with (bytes done, bytes in all) as data arrive. Bytes done fall back when a mirror fails midway.
    should_stop : callable, optional
        Asked between chunks; once it returns True the download ends.

    Raises
    ------
    DataError
        If the name is unknown, no mirror gives a file whole, the files cannot be written, or the download was
        stopped. No unfinished file is left; files that were finished before are kept.
    """
    info = find(name)
    if info.bundled:
        return
    missing = missing_files(info, data_root())
    if not missing:
        return
    mirrors, checksums = _torchvision_sources(info)
    total = sum(info.archives[path.name] for path in missing)
    done = 0
    try:
        folder = raw_folder(info, data_root())
        folder.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(folder)
        for path in missing:
            report = _from(progress, done, total)
            _fetch(info, path, mirrors, checksums[zipped(path).name], report, should_stop)
            report(info.archives[path.name])
            done += info.archives[path.name]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DataError(
            f"{info.title} cannot be saved under {data_root()} ({reason})",
            "Make room or give permission there, or set EPOCH_ATLAS_DATA to another folder",
        ) from error


def _from(progress: Progress | None, before: int, total: int) -> Callable[[int], None]:
    """Return a function that reports the bytes of one file as part of the whole."""

    def report(done: int) -> None:
        if progress is not None:
            progress(min(before + done, total), total)

    return report


def _torchvision_sources(info: DatasetInfo) -> tuple[list[str], dict[str, str]]:
    """Return torchvision's mirrors and the MD5 checksum of each archive by file name."""
    try:
        # here and not at the top: torchvision imports torch, a second and 200 MB that reading needs none of
        dataset: Any = getattr(importlib.import_module("torchvision.datasets"), info.folder)
    except (ImportError, RuntimeError, OSError) as error:  # its compiled part fails to load beside another torch
        raise DataError(
            f"torchvision, which knows where {info.title} is, cannot be imported ({error})",
            "Install torch and torchvision again in the versions of requirements.txt",
        ) from error
    return list(dataset.mirrors), dict(dataset.resources)


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """Give a path beside ``path`` that no other process uses, and delete what is there in the end."""
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{PART_SUFFIX}")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _clear_abandoned(folder: Path) -> None:
    """Delete what killed downloads left; one that still runs has written within the last day."""
    for part in folder.glob(f".*{PART_SUFFIX}"):
        try:
            if time.time() - part.stat().st_mtime > ABANDONED_AFTER_S:
                part.unlink()
        except OSError:  # another process was faster, or it is not ours to delete
            continue


def _fetch(
    info: DatasetInfo,
    path: Path,
    mirrors: list[str],
    md5: str,
    report: Callable[[int], None],
    should_stop: ShouldStop | None,
) -> None:
    """Bring one file from the first mirror that gives it whole."""
    failures = []
    for mirror in mirrors:
        with _temporary(zipped(path)) as archive, _temporary(path) as unpacked:
            try:
                _stream(mirror + zipped(path).name, archive, md5, 2 * info.archives[path.name], report, should_stop)
                _unpack(archive, unpacked)
            except _MirrorFailed as failure:
                failures.append(f"{urlsplit(mirror).hostname}: {failure}")
                continue
            unpacked.replace(path)
            return
    raise DataError(
        f"{info.title} could not be downloaded: {zipped(path).name} from {'; '.join(failures)}",
        f"Check the network and try again, put the file into {path.parent}, or use mnist-5k, which works offline",
    )


def _stream(
    url: str,
    target: Path,
    md5: str,
    most_bytes: int,
    report: Callable[[int], None],
    should_stop: ShouldStop | None,
) -> None:
    """Copy a URL to a file, checking length and checksum."""
    checksum = hashlib.md5(usedforsecurity=False)  # guards against damage; this is what torchvision publishes
    done = 0
    with target.open("xb") as file, _response(url) as response:
        announced = response.headers.get("Content-Length", "")
        while chunk := _read(response):
            file.write(chunk)
            checksum.update(chunk)
            done += len(chunk)
            if done > most_bytes:
                raise _MirrorFailed(f"gave more than {most_bytes:,} bytes")
            if should_stop is not None and should_stop():
                raise DataError("the download was stopped", "Start it again to get the data set")
            report(done)
    if announced.isdecimal() and done != int(announced):
        raise _MirrorFailed(f"ended after {done:,} of {int(announced):,} bytes")
    if checksum.hexdigest() != md5:
        raise _MirrorFailed(f"gave a file with another checksum (md5 {checksum.hexdigest()[:8]}, not {md5[:8]})")


@contextmanager
def _response(url: str) -> Iterator[http.client.HTTPResponse]:
    """Open a URL; failures to reach it, and only these, are the mirror's."""
    request = urllib.request.Request(url, headers={"User-Agent": "epoch-atlas"})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        raise _MirrorFailed(f"answered {error.code}") from error
    except urllib.error.URLError as error:
        raise _MirrorFailed(f"cannot be reached ({_reason(error.reason)})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _MirrorFailed(f"cannot be reached ({_reason(error)})") from error
    with response:
        yield response


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _MirrorFailed(f"broke off ({_reason(error)})") from error


def _reason(error: object) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _unpack(archive: Path, target: Path) -> None:
    try:
        with gzip.open(archive, "rb") as packed, target.open("xb") as file:
            shutil.copyfileobj(packed, file)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _MirrorFailed(f"gave a file that does not unpack ({error})") from error
