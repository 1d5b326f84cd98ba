"""Reading of points from text files in the forms that people have: spreadsheets, pandas, numpy, R.

Every such form of the same points reads equal, or is refused with the reason: nothing is guessed where a file can be
understood in two ways. What is understood:

- columns separated by tabs, semicolons, commas or white space, quoted or not; any line ending; a byte-order mark
- decimal points or decimal commas, exponents (``1e-3``, ``1D-3``), a typographic minus
- a header that names columns x and y, in any order among others; other names; the numbers 0 and 1 that pandas writes
- a first column of row numbers, as pandas and R write them, and columns of text: both are left out
- comment lines that begin with ``#`` or ``%``, the one with the names included
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.data.points import Array, own_points
from core.errors import DataError

MAX_BYTES = 2_000_000
MAX_ROWS = 200_000
SEPARATORS = ("\t", ";", ",", " ")  # tried in this order
MARKS = ("#", "%")  # of a comment
REMEDY = "Give two columns of numbers, with a first line that names them x and y"
ROW_NAMES = {"", "index", "unnamed: 0"}  # what pandas and R write above their row numbers

_NUMBER = re.compile(r"[+\-−]?(?:(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[ed][+\-−]?\d+)?|nan|inf|infinity)", re.I | re.A)
_GROUPED = re.compile(r"[+\-−]?[1-9]\d{0,2},\d{3}", re.A)  # 1,250: a thousand or a decimal comma


@dataclass(frozen=True)
class PointFile:
    """The points of a file, ready to be learnt, and how the file was understood.

    Attributes
    ----------
    points : ndarray of float64, shape (n, 2)
        In the square; see :func:`core.data.points.own_points`.
    columns : pair of str
        The columns that were read, by name or number.
    rows : int
        How many rows of points the file has.
    notes : tuple of str
        What else was done: left out, moved, thinned.
    """

    points: Array
    columns: tuple[str, str]
    rows: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return what was read, in words."""
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        said = f"{rows} read, x from {self.columns[0]}, y from {self.columns[1]}"
        return "; ".join([said, *self.notes]) + "."


@dataclass(frozen=True)
class _Table:
    """The cells of a file under one separator: lines are numbered as an editor does."""

    lines: list[int]
    rows: list[list[str]]
    names: list[str] | None  # of the header; None where there is none

    def name(self, column: int) -> str:
        said = " ".join(self.names[column].split())[:40] if self.names else ""
        return f"“{said}”" if said else f"column {column + 1}"


def read_points(content: bytes) -> PointFile:
    """Read points from a text file with columns of numbers; a cloud outside the square is moved and scaled into it.

    Raises
    ------
    DataError
        If the file is too large, is no text, can be understood in two ways, has no two columns of numbers, or a
        value is no number; the message names the line or the columns.
    """
    if len(content) > MAX_BYTES:
        raise DataError(f"the file has {len(content):,} bytes", f"Give at most {MAX_BYTES:,}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("the file is no UTF-8 text", "Save it as CSV in UTF-8, with two columns of numbers") from None
    if "\0" in text:
        raise DataError("the file holds binary data", "Save it as CSV with two columns of numbers")
    lines = io.StringIO(text, newline=None).readlines()
    marked = re.fullmatch(r"sep=([;,\t|])\s*", lines[0], re.I) if lines else None  # what Excel writes and understands
    candidates = [marked[1]] if marked else [one for one in SEPARATORS if one in text or one == " "]
    if marked:
        lines[0] = "\n"
    read = {separator: _rows(lines, separator) for separator in candidates}
    separator = next((one for one in candidates if _fits(read[one][1], one)), candidates[0])
    return _understood(*read[separator], _comments(lines), separator)


def _comments(lines: list[str]) -> list[str]:
    return [line.strip() for line in lines if line.lstrip()[:1] in MARKS]


def _rows(lines: list[str], separator: str) -> tuple[list[int], list[list[str]]]:
    """Return the lines and cells of the rows that are not empty, without the empty columns at the right."""

    def text() -> Iterator[str]:
        for line in lines:
            comment = line.lstrip()[:1] in MARKS
            yield "\n" if comment else (" ".join(line.split()) + "\n" if separator == " " else line)

    reader = csv.reader(text(), delimiter=separator, skipinitialspace=True)
    numbers: list[int] = []
    rows: list[list[str]] = []
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                numbers.append(reader.line_num)
                rows.append(stripped)
    except csv.Error as error:
        raise DataError(f"the file is no readable CSV ({error})", REMEDY) from None
    if len(rows) > MAX_ROWS:
        raise DataError(f"the file has more than {MAX_ROWS:,} rows", "Give fewer")
    filled = max((i + 1 for cells in rows for i, cell in enumerate(cells) if cell), default=0)
    return numbers, [cells[:filled] for cells in rows]


def _fits(rows: list[list[str]], separator: str) -> bool:
    """Whether a separator gives rows of one width, numbers in two columns or more, and stands in no number."""
    width = len(rows[-1]) if rows else 0
    if width < 2 or any(len(cells) != width for cells in rows[1:]) or len(rows[0]) not in (width, width - 1):
        return False
    body = rows if len(rows[0]) == width else rows[1:]
    if separator == "," and any(_split_numbers(cell) for cells in body for cell in cells):
        return False  # 0,5 0,7 and 0,5;0,7: decimal commas
    return sum(any(map(_is_number, cells)) for cells in zip(*body, strict=True)) >= 2


def _split_numbers(cell: str) -> bool:
    """Whether a cell begins and ends with different numbers, such as ``5 0`` or ``5;0``."""
    parts = re.split(r"[\s;]+", cell)
    return len(parts) > 1 and _is_number(parts[0]) and _is_number(parts[-1])


def _understood(lines: list[int], rows: list[list[str]], comments: list[str], separator: str) -> PointFile:
    """Read the points of a file whose separator is known."""
    names = _header(rows)
    if names is not None:
        lines, rows = lines[1:], rows[1:]
    else:
        names = _named_by_comment(comments, separator, rows)
    if not rows:
        raise DataError("there are no points", REMEDY)
    table = _Table(lines, rows, names)
    _check_width(table)
    columns = _columns(table)
    points = list(zip(*(_numbers(table, column) for column in columns), strict=True))
    own = own_points(points, fit=True)
    left_out = [f"{len(comments):,} comment {'line' if len(comments) == 1 else 'lines'} left out"] if comments else []
    return PointFile(own.points, (table.name(columns[0]), table.name(columns[1])), len(points), (*left_out, *own.notes))


def _header(rows: list[list[str]]) -> list[str] | None:
    """Return the names in the first row, None where it is a row of points; DataError where it may be both."""
    if not rows:
        return None
    first = rows[0]
    counted = [str(number) for number in range(len(first))]  # pandas' names for columns that have none
    named = not any(map(_is_number, first))
    if len(rows) > 1 and all(len(cells) == len(first) + 1 for cells in rows[1:]) and (named or first == counted):
        return ["", *first]  # R and pandas' to_string write no name above the row numbers
    if named:
        return first
    if len(first) > 2 and first[0].casefold() in ROW_NAMES and first[1:] == counted[:-1]:
        return first
    if [cell for cell in first if _is_number(cell)] == ["0", "1"] and len(rows) > 1:
        raise DataError(
            f"the first line, {', '.join(first)}, may be a header or a point",
            "Make x,y the first line, above the points",
        )
    return None


def _named_by_comment(comments: list[str], separator: str, rows: list[list[str]]) -> list[str] | None:
    """Return the names in a comment such as ``# x y``, which is how numpy.savetxt writes a header."""
    for comment in comments:
        text = comment.lstrip("#% \t")
        names = text.split(None if separator == " " else separator)
        named = [name.strip(" \t\"'") for name in names]
        if rows and len(named) == len(rows[0]) and {"x", "y"} <= {name.casefold() for name in named}:
            return named
    return None


def _check_width(table: _Table) -> None:
    """Refuse rows of unequal length."""
    width = len(table.names or table.rows[0])
    for line, cells in zip(table.lines, table.rows, strict=True):
        if len(cells) != width or width < 2:
            noun = "column" if len(cells) == 1 else "columns"
            raise DataError(f"line {line} has {len(cells)} {noun} where {max(width, 2)} are expected", REMEDY)


def _columns(table: _Table) -> tuple[int, int]:
    """Return which columns are x and y."""
    names = [name.casefold() for name in table.names or ()]
    if names.count("x") == names.count("y") == 1:
        return names.index("x"), names.index("y")
    columns = list(zip(*table.rows, strict=True))
    numeric = [i for i, cells in enumerate(columns) if any(map(_is_number, cells))]
    named_rows = bool(names) and names[0] in ROW_NAMES
    if numeric[:1] == [0] and (named_rows or (len(numeric) > 2 and _counts(columns[0]))):
        numeric = numeric[1:]
    if len(numeric) != 2:
        found = ", ".join(table.name(i) for i in numeric[:8]) or "none"
        noun = "column" if len(numeric) == 1 else "columns"
        said = f"the file has {len(numeric)} {noun} of numbers" + (f" ({found})" if numeric else "")
        raise DataError(said, "Name two columns x and y in the first line" if len(numeric) > 2 else REMEDY)
    return numeric[0], numeric[1]


def _counts(cells: Sequence[str]) -> bool:
    """Whether cells count the rows, from 0 or from 1."""
    return len(cells) > 1 and any(
        list(cells) == [str(number) for number in range(begin, begin + len(cells))] for begin in (0, 1)
    )


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None


def _numbers(table: _Table, column: int) -> list[float]:
    """Return a column's numbers; DataError naming the line of one that is none, or that may be two."""
    cells = [cells[column] for cells in table.rows]
    with_comma = [cell for cell in cells if "," in cell]
    for line, cell in zip(table.lines, cells, strict=True):
        if not _is_number(cell):
            what = f"{cell[:40]!r} is no number" if cell else f"{table.name(column)} is empty"
            raise DataError(f"line {line}: {what}", REMEDY)
    if with_comma and any("." in cell for cell in cells):
        raise DataError(f"{table.name(column)} mixes decimal points and commas", "Write every number in one way")
    if with_comma and all(map(_GROUPED.fullmatch, with_comma)):
        said = f"{with_comma[0]} in {table.name(column)} may be a decimal or a thousand"
        raise DataError(said, "Write numbers with a decimal point")
    return list(map(_value, cells))


def _value(cell: str) -> float:
    plain = cell.replace(",", ".").replace("−", "-").casefold()
    return float(plain if plain.lstrip("+-") in {"inf", "infinity"} else plain.replace("d", "e"))
