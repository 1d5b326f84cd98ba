"""What a control offers: the text of a URL is read against it, and whatever comes from the browser is checked."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["choice", "choices", "number", "switch", "text"]

KINDS: dict[str, Kind] = {
    "selectbox": "choice",
    "radio": "choice",
    "select_slider": "choice",
    "epoch_bar": "choice",
    "segmented_control": "choice",
    "pills": "choice",
    "multiselect": "choices",
    "slider": "number",
    "number_input": "number",
    "toggle": "switch",
    "checkbox": "switch",
    "text_input": "text",
}
LONGEST = 4_000  # characters of a text: own points travel as one
WHOLE = re.compile(r"[+-]?[0-9]{1,15}(\.0*)?")
FIRST_IS_DEFAULT = {"selectbox", "radio", "select_slider"}


@dataclass(frozen=True)
class Offer:
    """What can be chosen with a control.

    Parameters
    ----------
    kind
        One of several choices, several of them, a number, on or off, or a text.
    default
        The value of a control that nobody has touched.
    options, labels
        The choices, and how each is written on the page. A URL may use either.
    low, high
        Bounds of a number, None where there is none.
    whole
        Whether a number is a whole one.
    optional
        Whether None, nothing chosen, is a value.
    most
        How many of the choices may be taken.
    pattern
        Regular expression of a text, "" for any.
    former
        Former names of choices, with the present ones.
    """

    kind: Kind
    default: Any
    options: tuple[Any, ...] = ()
    labels: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    whole: bool = False
    optional: bool = False
    most: int | None = None
    pattern: str = ""
    former: Mapping[str, str] = field(default_factory=dict)

    def fits(self, value: Any) -> bool:
        """Whether the control offers ``value``."""
        if value is None:
            return self.optional
        if self.kind == "choice":
            return value in self.options
        if self.kind == "choices":
            return isinstance(value, list | tuple) and all(one in self.options for one in value)
        if self.kind == "switch":
            return isinstance(value, bool)
        if self.kind == "text":
            return isinstance(value, str) and (not self.pattern or re.fullmatch(self.pattern, value) is not None)
        return self._number_fits(value)

    def _number_fits(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        if not self.whole and not math.isfinite(value):
            return False
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def read(self, texts: Sequence[str]) -> tuple[Any, str]:
        """Return the value that a URL asks for, and why not where it is not honoured ("" where it is).

        Returns
        -------
        tuple
            The value, the default where nothing of the text can be shown; and the reason, to follow "but".
        """
        if self.kind == "choices":
            found = [self._choice(text) for text in texts if text]
            known = [self.options[one] for one in found if one is not None][: self.most]
            return known, "" if len(known) == len(found) else "not all of it is offered here"
        text = texts[-1] if texts else ""
        if not text:
            return (None, "") if self.optional and texts else (self.default, "")
        if self.kind == "choice":
            place = self._choice(text)
            return (self.default, self._choices_in_words()) if place is None else (self.options[place], "")
        if self.kind == "switch":
            known_words = {"true": True, "false": False}
            value = known_words.get(text.lower())
            return (self.default, "it can be true or false") if value is None else (value, "")
        return self._read_text(text) if self.kind == "text" else self._read_number(text)

    def _read_text(self, text: str) -> tuple[str, str]:
        if len(text) > LONGEST:
            return self.default, f"it is longer than {LONGEST:,} characters"
        return (text, "") if self.fits(text) else (self.default, "it does not read")

    def _choice(self, text: str) -> int | None:
        names = [str(one) for one in self.options]
        text = self.former.get(text, text)
        for known in (names, list(self.labels)):
            if text in known:
                return known.index(text)
        return None

    def _choices_in_words(self) -> str:
        names = [str(one) for one in self.options]
        if not names:
            return "there is nothing to choose from"
        if len(names) > 2 and all(isinstance(one, int | float) for one in self.options):
            return f"the choices go from {names[0]} to {names[-1]}"
        if len(names) > 8:
            return f"that is none of the {len(names)} choices"
        return f"the choices are {', '.join(names)}"

    def _read_number(self, text: str) -> tuple[Any, str]:
        try:
            number = float(text)
        except ValueError:
            return self.default, "it is no number"
        if not math.isfinite(number):
            return self.default, "it is no finite number"
        value: float = number
        if self.whole:
            if not WHOLE.fullmatch(text):
                return self.default, "it is no whole number"
            value = int(text.split(".")[0])
        return (value, "") if self._number_fits(value) else (self.default, self._bounds_in_words())

    def _bounds_in_words(self) -> str:
        if self.low is None or self.high is None:
            return f"it must be at least {self.low:g}" if self.high is None else f"it must be at most {self.high:g}"
        return f"it must lie between {self.low:g} and {self.high:g}"

    def texts(self, value: Any) -> list[str]:
        """Return a value as the URL writes it, one text per choice."""
        if self.kind == "choices":
            return [str(one) for one in value]
        if value is None:
            return [""]
        if isinstance(value, bool):
            return [str(value).lower()]
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            return [str(int(value))]
        return [str(value)]

    def in_words(self, value: Any) -> str:
        """Return a value as the page writes it."""
        values = list(value) if self.kind == "choices" else [value]
        names = [self.labels[self.options.index(one)] if one in self.options and self.labels else one for one in values]
        return (
            ", ".join(self.texts([one])[0] if self.kind == "choices" else self.texts(one)[0] for one in names) or "none"
        )


def offer_of(widget: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Offer:
    """Return what a Streamlit input widget offers when it is called so (``args`` after the label)."""
    name = getattr(widget, "__name__", "")
    kind = KINDS[name]
    if kind in {"choice", "choices"}:
        return _choice_offer(name, kind, args, kwargs)
    if kind == "number":
        return _number_offer(name, args, kwargs)
    given = kwargs.get("value", args[0] if args else None)
    return Offer(kind, given if given is not None else (False if kind == "switch" else ""))


def _choice_offer(name: str, kind: Kind, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Offer:
    options = tuple(kwargs["options"] if "options" in kwargs else args[0] if args else ())
    write = kwargs.get("format_func", str)
    index = kwargs.get("index", 0)
    default: Any = kwargs.get("default", kwargs.get("value"))
    if kind == "choices":
        default = list(default or [])
    elif name in FIRST_IS_DEFAULT and default is None and index is not None and options:
        default = options[index]
    optional = kind == "choice" and default is None
    if name in {"segmented_control", "pills"}:
        optional = not kwargs.get("required", False)
    labels = tuple(str(write(one)) for one in options)
    return Offer(kind, default, options, labels, optional=optional, most=kwargs.get("max_selections"))


def _number_offer(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Offer:
    ends = (0, 100) if name == "slider" else (None, None)
    low = kwargs.get("min_value", args[0] if args else ends[0])
    high = kwargs.get("max_value", args[1] if len(args) > 1 else ends[1])
    value = kwargs.get("value", args[2] if len(args) > 2 else None)
    default = value if value is not None else low if low is not None else 0
    given = [one for one in (low, high, value, kwargs.get("step")) if one is not None]
    return Offer("number", default, low=low, high=high, whole=all(isinstance(one, int) for one in given))
