"""Names of runs that stand together: unique, and saying what differs."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.families.vaes.config import VAEConfig
from core.registry import EXPERIMENTS
from core.runs.naming import name_among, names, setting, short
from core.runs.record import parse
from core.runs.store import Run
from core.training.session import fresh_name

GIVEN_NAME = "mnist-20251121-093000-1f3a"


def run_of(name="mnist", origin="own", experiment="vae", **config):
    """A run that is only spoken of: no folder."""
    said = {"experiment": experiment, "name": name, "config": {"data": "mnist", **config}, "seed": 0, "device": ""}
    said |= {"schema": 1, "data": {"name": "mnist"}, "software": {}, "status": "finished", "metrics": {}}
    said |= {"created": "2026-01-01T00:00:00+00:00", "elapsed_s": 0.0, "epochs_done": 0}
    return Run(Path(f"/{origin}/{name}"), origin, parse(said))


def test_two_runs_of_one_name_are_told_apart_by_their_origin():
    own, shipped = run_of(), run_of(origin="shipped")
    assert names([own, shipped]) == {"own/vae/mnist": "your mnist", "shipped/vae/mnist": "shipped mnist"}


def test_what_differs_is_said_the_seed_first_and_the_rest_counted():
    one = run_of("a", seed=0, epochs=5, learning_rate=0.002, latent_dim=10)
    other = run_of("b", seed=1, epochs=1, learning_rate=0.01, latent_dim=2)
    assert names([one, other]) == {
        one.id: "a · seed 0, 5 epochs, 2 more",
        other.id: "b · seed 1, 1 epoch, 2 more",
    }


def test_a_value_that_is_not_written_down_is_the_default():
    default = VAEConfig().epochs
    assert set(names([run_of("a"), run_of("b", epochs=default)]).values()) == {"a", "b"}


def test_names_given_by_the_app_are_shortened_while_that_tells_them_apart():
    assert short(GIVEN_NAME) == "mnist 1f3a"
    assert short(fresh_name(VAEConfig())).startswith("mnist ")
    again = GIVEN_NAME.replace("0930", "1015")
    assert set(names([run_of(GIVEN_NAME), run_of(again)]).values()) == {GIVEN_NAME, again}
    assert short("my-run-20251121") == "my-run-20251121"


@pytest.mark.parametrize(
    ("experiment", "name", "value", "words"),
    [
        ("vae", "epochs", 1000, "1,000 epochs"),
        ("vae", "learning_rate", 0.0005, "learning rate 0.0005"),
        ("classifier", "flip", True, "flip"),
        ("classifier", "flip", False, "no flip"),
        ("gan_2d", "loss", "wasserstein", "loss wasserstein"),
        ("gan_2d", "points", "", "no points"),
        ("gan_2d", "points", "x" * 400, f"points {'x' * 24}…"),
    ],
)
def test_settings_in_words(experiment, name, value, words):
    assert setting(EXPERIMENTS[experiment].config.option(name), value) == words


RUNS = st.lists(
    st.builds(
        run_of,
        st.sampled_from(["mnist", "b", GIVEN_NAME, GIVEN_NAME.replace("09", "10"), "mnist-1f3a"]),
        st.sampled_from(["own", "shipped"]),
        seed=st.integers(0, 2),
        epochs=st.sampled_from([1, 5, 30]),
    ),
    min_size=1,
    max_size=8,
)


@given(RUNS)
def test_no_two_runs_are_called_alike(runs):
    called = names(runs)
    assert set(called) == {run.id for run in runs}
    assert len(set(called.values())) == len(called)
    assert name_among(runs[0], runs[1:]) in called.values()
