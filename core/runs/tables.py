"""Tables of a run, declared once: which columns each has and what may stand in them.

A chapter declares its tables in a module ``tables`` beside its config, as ``TABLES``. They are checked where they are
written (:meth:`core.runs.recorder.Recorder.table`) and where they are read (:meth:`core.runs.store.Run.table`), so that
whoever computes with a table need not ask.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Column:
    """One column of a table: made by :func:`whole`, :func:`number` or :func:`words`.

    ``low`` and ``high`` are inclusive; ``missing`` says whether a cell may be empty, ``choices`` which words there are
    (any, if empty), and ``every`` that each of them occurs.
    """

    kind: type[int] | type[float] | type[str]
    low: float = -math.inf
    high: float = math.inf
    missing: bool = False
    choices: tuple[str, ...] = ()
    every: bool = False

    def checked(self, values: pd.Series) -> pd.Series:
        """Return the column in its own type; ValueError saying what does not fit."""
        if self.kind is str:
            return self._words(values)
        if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
            raise ValueError("holds something else than numbers")
        numbers = values.to_numpy(dtype=float)
        there = numbers[~np.isnan(numbers)]
        if len(there) < len(numbers) and not self.missing:
            raise ValueError("has empty cells")
        if not np.isfinite(there).all() or (there < self.low).any() or (there > self.high).any():
            raise ValueError(f"holds numbers outside {self.low:g} to {self.high:g}, or infinite ones")
        if self.kind is float:
            return values.astype(float)
        if (there % 1).any():
            raise ValueError("holds numbers that are not whole")
        return values if self.missing else values.astype(np.int64)

    def _words(self, values: pd.Series) -> pd.Series:
        if not all(isinstance(value, str) for value in values):
            raise ValueError("holds something else than words")
        odd = sorted(set(values) - set(self.choices)) if self.choices else []
        if odd:
            raise ValueError(f"holds {odd[0][:40]!r}, which is none of {', '.join(self.choices)}")
        lacking = [choice for choice in self.choices if choice not in set(values)] if self.every else []
        if lacking:
            raise ValueError(f"has no row {lacking[0]!r}")
        return values


def whole(low: float = 0, high: float = 2**53, *, missing: bool = False) -> Column:
    """Return a column of whole numbers."""
    return Column(int, low, high, missing)


def number(low: float = -math.inf, high: float = math.inf, *, missing: bool = False) -> Column:
    """Return a column of finite numbers."""
    return Column(float, low, high, missing)


def words(*choices: str, every: bool = False) -> Column:
    """Return a column of words: any, or the given ones alone, each of which occurs where ``every`` is set."""
    return Column(str, choices=choices, every=every)


EPOCH = whole(0, 9_999_999)
LABEL = whole(0, 9)
INDEX = whole(0, 69_999)  # place of an image in its split
SHARE = number(0, 1)
SPLIT = words("train", "validation", "test")


@dataclass(frozen=True)
class Table:
    """A table's columns by name; further ones are passed over when it is read, and refused when it is written.

    ``optional`` ones need not be there; ``may_be_empty`` says whether it may have no row.
    """

    name: str
    columns: Mapping[str, Column]
    optional: tuple[str, ...] = ()
    may_be_empty: bool = False

    def checked(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the table with each column in its own type; ValueError naming what does not fit."""
        missing = [name for name in self.columns if name not in frame and name not in self.optional]
        if missing:
            raise ValueError(f"it lacks the columns {missing}")
        if frame.empty:
            if not self.may_be_empty:
                raise ValueError("it has no rows")
            return frame
        found = {}
        for name, column in self.columns.items():
            if name in frame:
                try:
                    found[name] = column.checked(frame[name])
                except ValueError as error:
                    raise ValueError(f"its column {name!r} {error}") from None
        return frame.assign(**found)

    def undeclared(self, frame: pd.DataFrame) -> list[str]:
        """Return the frame's columns that are not declared."""
        return [str(name) for name in frame.columns if name not in self.columns]


def declared(tables: Iterable[Table]) -> dict[str, Table]:
    """Return the tables by name."""
    return {table.name: table for table in tables}
