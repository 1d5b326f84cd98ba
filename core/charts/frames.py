"""Checks that every chart makes of its table."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from core.errors import DataError


def checked(frame: pd.DataFrame, columns: Iterable[str], chart: str) -> pd.DataFrame:
    """Return a copy with only those columns; DataError naming the missing ones. The input is left untouched."""
    wanted = list(columns)
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        have = ", ".join(map(str, frame.columns))
        raise DataError(f"the {chart} lacks the columns {missing}", f"Give a table with them; it has: {have}")
    return frame[wanted].copy()
