"""Names for runs that stand together: in legends, tables and menus a run is told from the others by what differs.

A run's own name does not tell it: the shipped ``mnist`` and a reader's ``mnist`` are two runs. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from core.options import Option
from core.registry import experiment
from core.runs.store import Run

MOST = 2  # differing settings that are named; further ones are counted
LONGEST = 24  # characters of a text value
GIVEN = re.compile(r"(?P<data>[a-z0-9-]+)-[0-9]{8}-[0-9]{6}-(?P<letters>[0-9a-f]{4})")  # as session.fresh_name gives


def short(name: str) -> str:
    """Return a run's name without the date and time that a name given by the app holds: ``mnist 1f3a``."""
    given = GIVEN.fullmatch(name)
    return f"{given['data']} {given['letters']}" if given else name


def names(runs: Iterable[Run]) -> dict[str, str]:
    """Return a name for each run, by id, that tells it from the others and says in what they differ.

    ``mnist`` alone; ``shipped mnist · 30 epochs`` and ``your mnist · 5 epochs, seed 1`` together. No two are the same.

    Parameters
    ----------
    runs
        Runs of one experiment; one that is given twice counts once.
    """
    distinct = list({run.id: run for run in runs}.values())
    mixed = len({run.origin for run in distinct}) > 1
    bases = [_base(run, short(run.name), mixed) for run in distinct]
    if len(set(bases)) < len(bases):
        bases = [_base(run, run.name, mixed) for run in distinct]
    options = _differing(distinct)
    said = [_differences(run, options) for run in distinct]
    return {
        run.id: f"{base} · {words}" if words else base for run, base, words in zip(distinct, bases, said, strict=True)
    }


def name_among(run: Run, others: Iterable[Run]) -> str:
    """Return the name that a run has beside ``others``."""
    return names([run, *others])[run.id]


def _base(run: Run, name: str, mixed: bool) -> str:
    if not mixed:
        return name
    return f"shipped {name}" if run.shipped else f"your {name}"


def _differing(runs: Sequence[Run]) -> list[Option]:
    """Return the options in which the runs differ: the seed first, then those that matter first in the form."""
    if len(runs) < 2:
        return []
    options = [one for one in experiment(runs[0].experiment).config.options() if one.name != "data"]
    ordered = sorted(options, key=lambda one: (one.name != "seed", one.advanced))
    return [one for one in ordered if len({repr(_value(run, one)) for run in runs}) > 1]


def _value(run: Run, option: Option) -> Any:
    return getattr(run.config, option.name)


def _differences(run: Run, options: Sequence[Option]) -> str:
    said = [setting(option, _value(run, option)) for option in options[:MOST]]
    more = len(options) - len(said)
    return ", ".join([*said, *([f"{more} more"] if more else [])])


def setting(option: Option, value: Any) -> str:
    """Return a setting in words: ``seed 1``, ``5 epochs``, ``learning rate 0.01``, ``no flip``."""
    words = option.name.replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"no {words}"
    if option.name == "epochs" and isinstance(value, int):
        return "1 epoch" if value == 1 else f"{value:,} epochs"
    text = f"{value:.6g}" if isinstance(value, int | float) else str(value)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}…"
    return f"{words} {text}" if text else f"no {words}"
