"""A form derived from a config's options: one control per option, each in the address."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from core import settings
from core.options import Config, Option
from pages._ui.controls import links

ACRONYMS = {"ais": "AIS", "ema": "EMA", "gp": "GP", "iwae": "IWAE", "kl": "KL"}
FEW = 3  # so many choices stand side by side; more go into a menu


def key_of(experiment: str, option: Option) -> str:
    """Return the option's key, which is its query parameter: ``vae.epochs``."""
    return f"{experiment}.{option.name}"


def label_of(option: Option) -> str:
    """Return the option's label: ``Learning rate``, ``Shift (pixels)``."""
    words = [ACRONYMS.get(word, word) for word in option.name.split("_")]
    text = " ".join([words[0][0].upper() + words[0][1:], *words[1:]])
    return f"{text} ({option.unit})" if option.unit and option.unit != "epochs" else text


def in_order(kind: type[Config]) -> tuple[list[Option], list[Option]]:
    """Return the options that matter first, and the rest for "More" (the seed among them)."""
    options = kind.options()
    first = [one for one in options if not one.advanced and one.name != "seed"]
    return first, [one for one in options if one.name == "seed"] + [one for one in options if one.advanced]


def step_of(option: Option) -> float:
    """Return the step of a number's buttons: a power of ten that suits its default or its range."""
    if option.kind is int:
        return 1
    size = abs(float(option.default)) or (float(option.high) / 10 if option.high else 1.0)
    return float(10.0 ** (math.floor(math.log10(size)) - (0 if option.scale == "log" else 1)))


def field(experiment: str, option: Option, base: Config | None = None) -> Any:
    """Show the widget of one option and return its value; ``base`` gives another default than the option's own."""
    if base is not None:
        option = replace(option, default=getattr(base, option.name))
    key, label = key_of(experiment, option), label_of(option)
    if option.formerly:
        links.renamed(key, f"{experiment}.{option.formerly}")
    about: dict[str, Any] = {"key": key, "help": f"{option.meaning} ({option.allowed})"}
    if option.choices:
        if len(option.choices) <= FEW and sum(map(len, option.choices)) <= 24:
            return links.control(
                st.segmented_control,
                label,
                option.choices,
                default=str(option.default),
                required=True,
                width="stretch",
                **about,
            )
        index = option.choices.index(str(option.default))
        return links.control(st.selectbox, label, option.choices, index=index, **about)
    if option.kind is bool:
        return links.control(st.toggle, label, value=bool(option.default), **about)
    if option.kind is str:
        return links.control(st.text_input, label, value=str(option.default), **about)
    low, high = option.low, option.high
    if option.name == "epochs":
        high = min(high or math.inf, settings.max_epochs())
    number = option.kind
    return links.control(
        st.number_input,
        label,
        min_value=None if low is None else number(low),
        max_value=None if high is None else number(high),
        value=number(min(option.default, high) if high is not None else option.default),
        step=number(step_of(option)),
        format="%d" if number is int else "%g",
        **about,
    )


def fields(experiment: str, kind: type[Config], base: Config) -> dict[str, Any]:
    """Show the form, which opens with the values of ``base``, and return the values by option name (unchecked).

    An option that does nothing beside what is chosen is not shown, and is left out.
    """
    first, more = in_order(kind)
    values: dict[str, Any] = {}

    def show(options: list[Option]) -> None:
        for option in options:
            if kind.matters(option.name, values):  # by what is chosen above it
                values[option.name] = field(experiment, option, base)

    show(first)
    with st.expander("More"):
        show(more)
    return values


def fill(experiment: str, config: Mapping[str, Any], kind: type[Config]) -> None:
    """Callback: set the form to a config's values; those that no longer fit take their default."""
    links.set_controls(
        {key_of(experiment, option): config[option.name] for option in kind.options() if option.name in config}
    )
