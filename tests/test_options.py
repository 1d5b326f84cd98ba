"""Options: one declaration gives the check, the parser, the words and the defaults."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from core.errors import AtlasError, ConfigError
from core.options import Config, Option, option
from core.registry import EXPERIMENTS, experiment


@dataclass(frozen=True)
class Example(Config):
    """One of each kind."""

    rate: float = option(1e-3, "learning rate", low=1e-6, high=1.0, scale="log")
    width: int = option(8, "units", low=1, high=64, unit="units")
    kind: str = option("adam", "optimiser", choices=("adam", "sgd"))
    deep: bool = option(False, "more layers", advanced=True)
    free: float = option(0.0, "any number")


ALL = [pytest.param(one.config, id=name) for name, one in EXPERIMENTS.items()] + [Example]


def values(one: Option) -> st.SearchStrategy[Any]:
    """Values that an option allows."""
    if one.choices:
        return st.sampled_from(one.choices)
    if one.kind is bool:
        return st.booleans()
    if one.kind is int:
        return st.integers(None if one.low is None else int(one.low), None if one.high is None else int(one.high))
    if one.kind is float:
        return st.floats(one.low, one.high, allow_nan=False, allow_infinity=False)
    return st.just(one.default)  # text with a grammar of its own


@pytest.mark.parametrize("kind", ALL)
@settings(max_examples=25)
@given(data=st.data())
def test_any_allowed_config_survives_json_and_the_command_line(kind: type[Config], data: st.DataObject):
    """A config is the same after JSON, and after being typed as key=value."""
    try:
        made = kind.from_dict({one.name: data.draw(values(one), label=one.name) for one in kind.options()})
    except AtlasError:
        reject()  # options that are allowed one by one may not fit together
    assert kind.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert kind.from_dict(kind.parse(f"{name}={value}" for name, value in made.to_dict().items())) == made
    assert made.changed() == made


@pytest.mark.parametrize("kind", ALL[:-1])  # the example's free number has no range on purpose
def test_every_option_says_what_it_means_and_allows(kind: type[Config]):
    names = [one.name for one in kind.options()]
    assert names[:3] == ["data", "epochs", "seed"]
    assert len(set(names)) == len(names)
    for one in kind.options():
        assert one.meaning
        assert one.check(one.default) == one.default
        assert kind.option(one.name) == one
        assert one.scale in ("linear", "log")
        if one.scale == "log":
            assert one.low is not None
            assert one.low > 0
        if one.kind in (int, float):
            assert one.allowed.startswith("a")
            assert one.low is not None  # a form needs a range
            assert one.high is not None
    assert kind().to_dict() == {one.name: one.default for one in kind.options()}


def outcome(ask: Callable[[], Any]) -> tuple[Any, ConfigError | None]:
    """What asking gives, or how it is refused."""
    try:
        return ask(), None
    except ConfigError as refusal:
        return None, refusal


@given(st.one_of(st.none(), st.text(), st.floats(), st.integers(), st.booleans(), st.lists(st.integers(), max_size=2)))
def test_any_value_is_checked_or_refused_in_words(value: object):
    for one in Example.options():
        checked, refusal = outcome(lambda one=one: one.check(value))
        if refusal:
            assert one.name in refusal.problem
            assert one.allowed in refusal.remedy
        else:
            assert type(checked) is one.kind
            assert checked == one.kind(value)  # a float cannot hold every whole number
            assert one.low is None or one.low <= checked <= one.high


@given(st.text(max_size=30))
def test_any_text_is_parsed_or_refused(text: str):
    for one in Example.options():
        parsed, refusal = outcome(lambda one=one: one.parse(text))
        assert one.name in refusal.problem if refusal else type(parsed) is one.kind


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("width", " 12 ", 12),
        ("rate", "1e-3", 1e-3),
        ("rate", "1", 1.0),
        ("kind", "sgd", "sgd"),
        ("deep", "Yes", True),
        ("deep", "0", False),
    ],
)
def test_texts_that_are_values(name: str, text: str, value: object):
    parsed = Example.option(name).parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("width", "0", "width = 0 is not allowed. Give a whole number from 1 to 64 (units)."),
        ("width", "65", "width = 65 is not allowed. Give a whole number from 1 to 64 (units)."),
        ("width", "1.5", "width = '1.5' is not allowed. Give a whole number from 1 to 64 (units)."),
        ("width", "", "width = '' is not allowed. Give a whole number from 1 to 64 (units)."),
        ("width", "9" * 5000, "width = '" + "9" * 58),
        ("rate", "nan", "rate = nan is not allowed. Give a number from 1e-06 to 1 (learning rate)."),
        ("rate", "inf", "rate = inf is not allowed. Give a number from 1e-06 to 1 (learning rate)."),
        ("free", "1e999", "free = inf is not allowed. Give a number (any number)."),
        ("kind", "Adam", "kind = 'Adam' is not allowed. Give one of adam, sgd (optimiser)."),
        ("deep", "maybe", "deep = 'maybe' is not allowed. Give true or false (more layers)."),
        ("seed", "-1", "seed = -1 is not allowed. Give a whole number from 0 to 2147483647"),
    ],
)
def test_texts_that_are_none(name: str, text: str, says: str):
    with pytest.raises(ConfigError) as caught:
        Example.option(name).parse(text)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize("value", [10**400, -(10**400), "huge", True, "1", None, math.nan, [1.0], 1 + 0j])
def test_numbers_that_are_none(value: object):
    value = 10**5000 if value == "huge" else value  # too long for pytest to name the test after it
    with pytest.raises(ConfigError, match="is not allowed"):
        Example.option("free").check(value)
    with pytest.raises(ConfigError, match="is not allowed"):
        Example.from_dict({"free": value})


def test_whole_floats_are_whole_numbers():
    """JSON and sliders may give 5.0 where 5 is meant."""
    assert Example.from_dict({"width": 5.0}).width == 5
    assert type(Example.from_dict({"width": 5.0}).width) is int
    assert type(Example.from_dict({"rate": 1}).rate) is float


def test_unknown_keys_are_errors_that_name_the_known():
    known = "The options are: data, epochs, seed, rate, width, kind, deep, free"
    for ask in (
        lambda: Example.option("colour"),
        lambda: Example.from_dict({"colour": 1}),
        lambda: Example.parse(["colour=1"]),
        lambda: Example().changed(colour=1),
    ):
        with pytest.raises(ConfigError, match=f"there is no option 'colour'. {known}"):
            ask()


@pytest.mark.parametrize("pair", ["width", "", "width:3", "  "])
def test_what_is_no_pair(pair: str):
    with pytest.raises(ConfigError, match="is not a setting. Write it as key=value"):
        Example.parse([pair])


def test_the_last_of_a_key_given_twice_counts():
    assert Example.parse(["width=3", " width = 4 "]) == {"width": 4}


def test_configs_are_frozen_and_checked_however_they_are_made():
    made = Example(width=3)
    with pytest.raises(FrozenInstanceError):
        made.width = 4  # type: ignore[misc]
    assert made.changed(width=4) == Example(width=4)
    for ask in (lambda: Example(width=0), lambda: made.changed(width=0), lambda: Example(data="cifar")):
        with pytest.raises(ConfigError, match="is not allowed"):
            ask()


def test_half_open_ranges_say_so():
    assert Option("x", int, 0, "", low=2).allowed == "a whole number of at least 2"
    assert Option("x", float, 0.0, "", high=0.5).allowed == "a number of at most 0.5"


# --- the registry -----------------------------------------------------------------------------------------------------


def test_the_registry():
    for name, one in EXPERIMENTS.items():
        assert one.name == name
        assert experiment(name) is one
        assert one.config.__module__.startswith("core.")
        assert one.title
        assert one.question.endswith("?")
        assert one.icon.startswith(":material/")
        assert f"{0.5:{one.headline_format}}"
        assert issubclass(one.config, Config)


@pytest.mark.parametrize("name", ["", "VAE", "../vae", "vae\x00", "x" * 999])
def test_experiments_there_are_not(name: str):
    with pytest.raises(ConfigError, match="there is no experiment .* The experiments are: classifier, vae"):
        experiment(name)


def test_errors_are_a_problem_and_a_remedy_on_one_line():
    error = AtlasError("it\nbroke. ", " mend  it.")
    assert (error.problem, error.remedy, str(error)) == ("it broke", "mend it", "it broke. mend it.")


@dataclass(frozen=True)
class Conditional(Config):
    """Options that matter beside others only, and one that had another name."""

    noise: str = option("none", "noise", choices=("none", "normal", "uniform"))
    spread: float = option(1.0, "spread of the noise", when=("noise", "normal", "uniform"))
    steps: int = option(0, "steps", low=0)
    ema: float = option(0.5, "memory per step", when=("steps",), formerly="averaging")
    shape: float = option(1.0, "shape of the spread", when=("spread",))


@pytest.mark.parametrize(
    ("values", "idle"),
    [
        ({}, {"spread", "ema", "shape"}),
        ({"noise": "normal"}, {"ema"}),
        ({"noise": "uniform", "spread": 0.0}, {"ema", "shape"}),
        ({"steps": 3}, {"spread", "shape"}),
    ],
)
def test_an_option_matters_beside_the_values_that_it_names(values: dict[str, Any], idle: set[str]) -> None:
    names = [one.name for one in Conditional.options()]
    assert {name for name in names if not Conditional.matters(name, values)} == idle
    lines = Conditional(**values).idle(names)
    assert {line.split(" ")[0] for line in lines} == idle


def test_a_condition_is_said_in_words() -> None:
    assert Conditional.option("spread").condition == "only where noise is normal or uniform"
    assert Conditional.option("ema").condition == "only where steps is on or above 0"
    assert Conditional.option("steps").condition == ""


@pytest.mark.parametrize("kind", ALL)
def test_conditions_name_options_that_stand_before_and_values_that_they_have(kind: type[Config]) -> None:
    seen: list[str] = []
    for one in [*(o for o in kind.options() if not o.advanced), *(o for o in kind.options() if o.advanced)]:
        if one.when:
            other = kind.option(str(one.when[0]))
            assert other.name in seen, f"{one.name} stands before {other.name} in the form"
            assert [other.check(value) for value in one.when[1:]] == list(one.when[1:])
        seen.append(one.name)


def test_a_former_name_is_read_wherever_a_name_is() -> None:
    assert Conditional.from_dict({"averaging": 0.25}).ema == 0.25
    assert Conditional.parse(["averaging=0.25"]) == {"ema": 0.25}
    assert Conditional(ema=0.25).to_dict()["ema"] == 0.25
    with pytest.raises(ConfigError, match="ema is given twice"):
        Conditional.from_dict({"ema": 0.1, "averaging": 0.2})


FORMER = [
    pytest.param(one.config, option, id=f"{name}-{option.formerly}")
    for name, one in EXPERIMENTS.items()
    for option in one.config.options()
    if option.formerly
]


@pytest.mark.parametrize(("kind", "renamed"), FORMER)
def test_configs_with_the_former_name_are_the_same_config(kind: type[Config], renamed: Option) -> None:
    old = kind().to_dict()
    old[renamed.formerly] = old.pop(renamed.name)
    assert kind.from_dict(old) == kind()
    assert renamed.formerly not in {one.name for one in kind.options()}
