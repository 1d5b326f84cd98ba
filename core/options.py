"""Options: config fields that carry their meaning and range.

A config is a frozen dataclass whose fields are made with :func:`option`. The sidebar form, the
command line and the validation are all derived from the field, so a range is written down once.
Nothing here imports torch.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

from core.errors import ConfigError

Scalar = bool | int | float | str

TRUE_WORDS = {"true", "yes", "on", "1"}
FALSE_WORDS = {"false", "no", "off", "0"}


@dataclass(frozen=True)
class Option:
    """One field of a config, as a form, a command line and a check see it.

    ``low`` and ``high`` are inclusive; ``choices`` is empty for a number. ``scale`` is ``"log"`` where
    equal ratios are equal steps (learning rates). ``advanced`` options stand under "More" in the form.
    ``when`` names another option and the values of it beside which this one does anything; without values, any but
    0 and false. ``formerly`` is a name that older runs, links and commands use.
    """

    name: str
    kind: type
    default: Scalar
    meaning: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    scale: str = "linear"
    advanced: bool = False
    when: tuple[Scalar, ...] = ()
    formerly: str = ""

    @property
    def condition(self) -> str:
        """When the option does anything, in words: ``"only where likelihood is gaussian"``; "" for always."""
        if not self.when:
            return ""
        other, *values = self.when
        return f"only where {other} is " + (" or ".join(map(str, values)) if values else "on or above 0")

    @property
    def allowed(self) -> str:
        """What values are allowed, in words: ``"1 to 500"``, ``"one of adam, sgd"``."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind is bool:
            return "true or false"
        noun = "a whole number" if self.kind is int else "a number"
        low, high = (None if bound is None else f"{bound:.15g}" for bound in (self.low, self.high))
        if low and high:
            return f"{noun} from {low} to {high}"
        return f"{noun} of at least {low}" if low else f"{noun} of at most {high}" if high else noun

    def check(self, value: object) -> Scalar:
        """Return ``value`` as this option's type, or raise ConfigError saying what is allowed."""
        if self.kind is bool:
            if isinstance(value, bool):
                return value
        elif self.kind is int:
            if isinstance(value, int) and not isinstance(value, bool):
                return self._in_range(value)
            if isinstance(value, float) and value.is_integer():
                return self._in_range(int(value))
        elif self.kind is float:
            if isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value):
                return self._in_range(float(value))
        elif isinstance(value, str) and (not self.choices or value in self.choices):
            return value
        raise self._refusal(value)

    def parse(self, text: str) -> Scalar:
        """Return the value that ``text`` (from a URL or a command line) stands for."""
        word = text.strip()
        if self.kind is bool:
            if word.lower() in TRUE_WORDS | FALSE_WORDS:
                return word.lower() in TRUE_WORDS
            raise self._refusal(text)
        if self.kind is str:
            return self.check(word)
        try:
            number = int(word) if self.kind is int else float(word)
        except ValueError:
            raise self._refusal(text) from None
        return self.check(number)

    def _in_range(self, value: int | float) -> Scalar:
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            raise self._refusal(value)
        return value

    def _refusal(self, value: object) -> ConfigError:
        shown = repr(value[:60] if isinstance(value, str) else value)[:60] if _printable(value) else "a huge number"
        return ConfigError(f"{self.name} = {shown} is not allowed", f"Give {self.allowed} ({self.meaning})")


def _is_finite(value: int | float) -> bool:
    """Whether a number is finite as a float (an int may be too large for one)."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _printable(value: object) -> bool:
    # Python refuses to print an int of more than 4,300 digits
    return not isinstance(value, int) or value.bit_length() < 10_000


def option(
    default: Any,
    meaning: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    unit: str = "",
    scale: str = "linear",
    advanced: bool = False,
    when: tuple[Scalar, ...] = (),
    formerly: str = "",
) -> Any:
    """Declare a config field with its default, meaning and range (a ``dataclasses.field``)."""
    about = {
        "meaning": meaning,
        "low": low,
        "high": high,
        "choices": choices,
        "unit": unit,
        "scale": scale,
        "advanced": advanced,
        "when": when,
        "formerly": formerly,
    }
    return dataclasses.field(default=default, metadata=about)


@dataclass(frozen=True)
class Config:
    """What every experiment's config has. Subclasses add fields; all fields are checked on creation."""

    _kinds: ClassVar[dict[str, type]] = {"bool": bool, "int": int, "float": float, "str": str}

    data: str = option("mnist", "data set to train on", choices=("mnist", "mnist-5k", "fashion-mnist"))
    epochs: int = option(10, "passes over the training data", low=1, high=1000)
    seed: int = option(0, "seed of initialisation, batches and demo latents", low=0, high=2**31 - 1)

    def __post_init__(self) -> None:
        for one in self.options():
            object.__setattr__(self, one.name, one.check(getattr(self, one.name)))

    @classmethod
    @functools.cache  # asked for by every field of every run that a page lists
    def options(cls) -> tuple[Option, ...]:
        """Return the config's options in the order of declaration."""
        return tuple(
            Option(
                name=field.name,
                kind=cls._kinds[getattr(field.type, "__name__", str(field.type))],
                default=cast(Scalar, field.default),
                **field.metadata,
            )
            for field in dataclasses.fields(cls)
        )

    @classmethod
    def option(cls, name: str) -> Option:
        """Return one option by its name, or by its former one; raise ConfigError naming the known ones."""
        for one in cls.options():
            if name in {one.name, one.formerly}:
                return one
        known = ", ".join(o.name for o in cls.options())
        raise ConfigError(f"there is no option {name[:60]!r}", f"The options are: {known}")

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Self:
        """Build a config from plain values; former names are read, unknown keys are an error."""
        named: dict[str, Any] = {}
        for key, value in values.items():
            name = cls.option(key).name
            if name in named:
                raise ConfigError(f"{name} is given twice", f"{key} is its former name: give one of the two")
            named[name] = value
        return cls(**named)

    @classmethod
    def parse(cls, pairs: Iterable[str]) -> dict[str, Scalar]:
        """Return the values of ``key=value`` texts; raise ConfigError on any that does not fit."""
        values: dict[str, Scalar] = {}
        for pair in pairs:
            name, sign, text = pair.partition("=")
            if not sign:
                raise ConfigError(f"{pair[:60]!r} is not a setting", "Write it as key=value, for example epochs=5")
            known = cls.option(name.strip())
            values[known.name] = known.parse(text)
        return values

    @classmethod
    def matters(cls, name: str, values: Mapping[str, object]) -> bool:
        """Whether an option does anything beside ``values``, which are by name; what they lack is at its default."""
        when = cls.option(name).when
        if not when:
            return True
        other = cls.option(str(when[0]))
        value = values.get(other.name, other.default)
        return (value in when[1:] if len(when) > 1 else bool(value)) and cls.matters(other.name, values)

    def idle(self, names: Iterable[str]) -> list[str]:
        """Return a line for each of the named options that does nothing in this config."""
        values = self.to_dict()
        options = [self.option(name) for name in names]
        return [
            f"{one.name} changes nothing here: it matters {one.condition}"
            for one in options
            if not self.matters(one.name, values)
        ]

    def to_dict(self) -> dict[str, Scalar]:
        """Return the fields as plain values, ready for JSON."""
        return dataclasses.asdict(self)

    def changed(self, **values: Scalar) -> Self:
        """Return a copy with some fields changed; they are checked as in :meth:`from_dict`."""
        return self.from_dict({**self.to_dict(), **values})

    def command(self, experiment: str) -> str:
        """Return the command line that trains such a run: what differs from the defaults."""
        changed = [one.name for one in self.options() if getattr(self, one.name) != one.default and one.name != "data"]
        settings = " ".join(f"{name}={getattr(self, name)}" for name in changed)
        return f"python -m core train {experiment} --data {self.data}" + (f" --set {settings}" if settings else "")
