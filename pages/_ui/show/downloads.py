"""Downloads: one small button per chart, table and grid, in the header of its panel."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import pandas as pd
import streamlit as st

NUMBER = re.compile(r"[+−-]?\d{1,3}(,\d{3})*(\.\d+)?|[+−-]?\d+(\.\d+)?")  # as pages write them

# Where the panel that is being filled wants its downloads: each script run has a thread, and so a context, of its own.
_slot: ContextVar[Any] = ContextVar("slot", default=None)


@contextmanager
def slot(container: Any) -> Iterator[None]:
    """Collect the downloads of what is shown inside in ``container``."""
    token = _slot.set(container)
    try:
        yield
    finally:
        _slot.reset(token)


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """Return a table as data: CSV in UTF-8, numbers as programs read them, empty where missing.

    A plain row number is left out. Where there are letters beyond ASCII the file begins with a byte-order mark, without
    which spreadsheets read them wrongly.
    """
    file = io.StringIO()
    cells = frame.map(_datum) if len(frame.columns) else frame
    cells.to_csv(file, index=not isinstance(frame.index, pd.RangeIndex))
    text = file.getvalue()
    return text.encode("utf-8" if text.isascii() else "utf-8-sig")


def _datum(cell: Any) -> Any:
    """Return a cell as data: a number written for readers as a plain one, nothing for a dash."""
    if not isinstance(cell, str):
        return cell
    if cell.strip() in {"–", "—"}:
        return None
    return cell.replace("−", "-").replace(",", "") if NUMBER.fullmatch(cell.strip()) else cell


def _offer(kind: str, make: Callable[[], bytes], key: str, mime: str, help: str) -> None:
    with _slot.get() or nullcontext():
        st.download_button(
            kind,
            data=make,  # made when it is asked for, not on every rerun
            file_name=f"{key}.{kind.lower()}",
            mime=mime,
            key=f"_{kind.lower()}_{key}",
            type="tertiary",
            icon=":material/download:",
            help=help,
            on_click="ignore",
        )


def csv(frame: pd.DataFrame, key: str, what: str = "the numbers behind this") -> None:
    """Offer a table as CSV."""
    _offer("CSV", lambda: csv_bytes(frame), key, "text/csv", f"Download {what} as CSV")


def png(make: Callable[[], bytes], key: str, help: str) -> None:
    """Offer a picture as PNG."""
    _offer("PNG", make, key, "image/png", help)


def gif(make: Callable[[], bytes], key: str, help: str) -> None:
    """Offer a film as animated GIF."""
    _offer("GIF", make, key, "image/gif", help)
