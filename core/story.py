"""What a chapter says of a run, as plain data: figures, panels, verdict, references, things to try. No Streamlit.

A chapter's module ``story`` turns a run (with the epoch, the runs beside it and the reader's choices) into these
objects; ``pages/_ui/show`` renders them, and tests read the same ones. Charts are made when they are shown, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import ConfigError, RunError
from core.words import number

if TYPE_CHECKING:
    from altair import TopLevelMixin

MISSING = "–"


@dataclass(frozen=True)
class Figure:
    """A headline figure with what it stands beside.

    Attributes
    ----------
    label : str
        What is measured.
    value : float or None
        None where it was not measured.
    format : str
        A format string such as ``"{:.2%}"`` or ``"{:,.2f} nats"``.
    report, published : float, str or None
        The same measure elsewhere, as a number in the same format or as text.
    note : str
        Held out or not, in words.
    help : str or None
        One more sentence for who asks.
    """

    label: str
    value: float | None
    format: str
    report: float | str | None = None
    published: float | str | None = None
    note: str = ""
    help: str | None = None

    def text(self, value: float | str | None) -> str:
        """Return a value in this figure's format; a text as it is, a missing one as a dash."""
        if value is None:
            return MISSING
        return value if isinstance(value, str) else number(value, self.format)

    @property
    def small_print(self) -> str:
        """The line under the figure: report, published, note."""
        parts = [
            f"report {self.text(self.report)}" if self.report is not None else "",
            f"published {self.text(self.published)}" if self.published is not None else "",
            self.note,
        ]
        return " · ".join(part for part in parts if part)


@dataclass(frozen=True)
class Chart:
    """A chart, made when it is shown.

    Attributes
    ----------
    make : callable
        ``make(frame, **settings)`` returns the Altair chart: a pure function.
    frame : DataFrame
        The numbers behind it, which are also its download.
    settings : mapping
        Keyword arguments of ``make``.
    alt : str
        What the chart shows, for those who do not see it.
    key : hashable
        What the chart depends on (a run's digest, an epoch, a choice): an equal key means an equal chart, so that it
        is found again without looking into the table. None looks.
    """

    make: Callable[..., TopLevelMixin]
    frame: pd.DataFrame
    alt: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    key: Hashable = None

    def draw(self) -> TopLevelMixin:
        """Return the Altair chart."""
        return self.make(self.frame, **self.settings)


@dataclass(frozen=True)
class Column:
    """One column of a table as it is shown: title with its unit, format specification (``",.2f"``, ``".2%"``), help.

    An empty format shows the cell as text. A pinned column stays in sight when the table is scrolled.
    """

    title: str
    format: str = ""
    help: str | None = None
    pinned: bool = False

    def text(self, value: Any) -> str:
        """Return a cell as text; a missing one as a dash."""
        if value is None or (isinstance(value, float) and np.isnan(value)):
            return MISSING
        return str(value) if not self.format else number(value, "{:" + self.format + "}")


@dataclass(frozen=True)
class Table:
    """A table: the columns that are shown, in their order, of a frame that also holds the download.

    ``clickable`` names it for a page that listens to clicks on its rows; ``colour`` returns a CSS style for each cell
    of a column and is applied to those that ``coloured`` names.
    """

    frame: pd.DataFrame
    columns: Mapping[str, Column]
    alt: str
    clickable: bool = False
    coloured: Sequence[str] = ()
    colour: Callable[[pd.Series], list[str]] | None = None

    def __post_init__(self) -> None:
        missing = [name for name in self.columns if name not in self.frame]
        if missing:
            raise ConfigError(f"the table lacks the columns {missing}", "Show only columns that the frame has")

    def texts(self) -> pd.DataFrame:
        """Return the table as it reads: titles and texts."""
        return pd.DataFrame({c.title: [c.text(v) for v in self.frame[name]] for name, c in self.columns.items()})


@dataclass(frozen=True)
class Grid:
    """Small images, pixel for pixel: a composed picture, or uint8 of shape (rows, columns, height, width[, 3])."""

    picture: Callable[[], NDArray[np.uint8]]
    alt: str
    row_labels: Sequence[str] = ()
    column_labels: Sequence[str] = ()
    scale: int = 3


@dataclass(frozen=True)
class Gallery:
    """Small images, each with a line of text below it: ``images()`` is uint8 of shape (n, height, width), n > 0."""

    images: Callable[[], NDArray[np.uint8]]
    texts: Sequence[str]
    alt: str
    scale: int = 3


class Pictured(Protocol):
    """What a run offers of the pictures that it recorded, each kind epoch by epoch."""

    @property
    def digest(self) -> str:
        """Changes when the run does."""

    def sample_epochs(self, kind: str = "samples") -> list[int]:
        """Return the epochs with a picture of a kind, rising."""

    def sample_png(self, epoch: int, kind: str = "samples") -> bytes:
        """Return a picture's file: a PNG that reads."""

    def broken(self, name: str, what: str) -> RunError:
        """Return the error that names one of its files."""


@dataclass(frozen=True)
class Film:
    """What a run recorded of its pictures, epoch by epoch: strips below each other, played by the page's scrubber.

    Attributes
    ----------
    run : Pictured
        The run.
    strips : mapping
        Kind of recorded picture to its label.
    alt : str
        What they show ("Ten decoded draws"); the film adds "after epoch 3".
    epoch : int
        Where the scrubber rests.
    still : array or None
        Images that stand still above the strips, uint8 of shape (n, height, width), with their label.
    """

    run: Pictured
    strips: Mapping[str, str]
    alt: str
    epoch: int
    still: NDArray[np.uint8] | None = None
    still_label: str = ""

    @property
    def there(self) -> bool:
        """Whether the run recorded a picture of any of the kinds."""
        return any(self.run.sample_epochs(kind) for kind in self.strips)


@dataclass(frozen=True)
class Note:
    """A line in the place of a result: why there is none, and what to do."""

    text: str
    what_to_do: str = ""


Body = Chart | Table | Grid | Gallery | Film | Note


@dataclass(frozen=True)
class Panel:
    """One result: a key unique on the page, a title that states what is seen, the result, one line of reading help."""

    key: str
    title: str
    body: Body
    help: str = ""


@dataclass(frozen=True)
class Section:
    """Panels that stand side by side, under a heading of the page's list of sections."""

    title: str
    panels: Sequence[Panel]

    @property
    def anchor(self) -> str:
        """The section's address on the page."""
        return self.title.lower().replace(" ", "-")


@dataclass(frozen=True)
class Verdict:
    """Two or three sentences that answer the chapter's question, computed from its figures; ``more`` on demand."""

    answer: Sequence[str]
    more: Sequence[str] = ()

    @property
    def text(self) -> str:
        """The answer as one paragraph."""
        return " ".join(self.answer)


@dataclass(frozen=True)
class Reference:
    """One measure beside the report's and the published figure; texts, formatted by the story."""

    measure: str
    this_run: str
    report: str = MISSING
    published: str = MISSING
    source: str = ""
    protocol: str = ""


@dataclass(frozen=True)
class Try:
    """One thing to try: what to do in words, and the controls that a click sets (names as in the URL)."""

    text: str
    controls: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class How:
    """How it works: formula (LaTeX), what it means, the network layer by layer, sources, things to try."""

    formula: str
    text: str
    architecture: pd.DataFrame | None = None
    sources: Sequence[tuple[str, str]] = ()
    tries: Sequence[Try] = ()


@dataclass(frozen=True)
class Story:
    """A chapter's story of one run: everything that its page says below the main picture, in the reader's order."""

    figures: Sequence[Figure]
    sections: Sequence[Section]
    verdict: Verdict | None
    references: Sequence[Reference]
    how: How

    def panel(self, key: str) -> Panel:
        """Return a panel by key; KeyError if the story has none of that key."""
        return {panel.key: panel for section in self.sections for panel in section.panels}[key]

    @property
    def text(self) -> str:
        """Every sentence of the story, for tests and reports."""
        parts = [f"{figure.label} {figure.text(figure.value)} {figure.small_print}" for figure in self.figures]
        parts += [f"{panel.title} {panel.help}" for section in self.sections for panel in section.panels]
        parts += [*self.verdict.answer, *self.verdict.more] if self.verdict else []
        return "\n".join([*parts, self.how.text, *(one.text for one in self.how.tries)])
