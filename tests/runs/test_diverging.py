"""What a diverged training is said to show, against histories whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from core.registry import EXPERIMENTS
from core.runs.diverging import gentler, gentler_words, learned
from core.training.session import mark
from tests.conftest import fake_history, make_run


def diverged(store, losses, **config):
    """A run whose whole epochs had those validation losses and whose next one broke."""
    history = fake_history(len(losses), ("loss", "kl")).assign(validation_loss=losses)
    broken = {"epoch": len(losses) + 1, "step": 32 * len(losses) + 7, "train_loss": np.nan, "train_kl": 3.0}
    history = pd.concat([history, pd.DataFrame([{**broken, "elapsed_s": 99.0}])], ignore_index=True)
    where = {"epoch": broken["epoch"], "step": broken["step"]}
    run = make_run(store, name="broken", epochs=len(losses) or 1, status="diverged", history=history, diverged_at=where)
    return mark(run, epochs_done=len(losses), config={**run.config.to_dict(), **config})


def test_it_says_where_it_broke_and_that_there_was_no_sign(store):
    said = " ".join(learned(diverged(store, [3.0, 2.0, 1.5])))
    assert "In step 103, in epoch 4, the loss was no longer a finite number (loss)." in said
    assert "Validation loss was at its lowest, 1.5, after epoch 3: it broke without a sign." in said


def test_it_says_that_the_loss_had_risen(store):
    said = " ".join(learned(diverged(store, [3.0, 2.0, 2.5])))
    assert "lowest after epoch 2 (2) and 2.5 after epoch 3: it was unstable before it broke" in said


def test_infinite_losses_are_left_out(store):
    assert "lowest after epoch 1 (3) and 4 after epoch 2" in " ".join(learned(diverged(store, [3.0, 4.0, np.inf])))


def test_a_first_epoch_that_broke(store):
    said = " ".join(learned(diverged(store, [])))
    assert "In step 7, in epoch 1" in said
    assert "the first updates were already too large" in said


def test_it_is_compared_with_a_run_that_held(store):
    run, sound = diverged(store, [3.0], learning_rate=0.5, seed=3), make_run(store, name="sound")
    said = learned(run, sound)[-1]
    assert said == "Your run sound did not diverge; here differ: learning rate 0.5 (there 0.0015)."
    same = learned(diverged_again(store, run), sound)[-1]
    assert "has the same settings and did not diverge: try another seed" in same


def diverged_again(store, run):
    return mark(run, config={**run.config.to_dict(), "learning_rate": 0.0015})


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_rate_is_lowered_within_its_range_and_nothing_else(name):
    kind = EXPERIMENTS[name].config
    config = kind().to_dict()
    slower = gentler(kind, config)
    rates = {one for one in config if one.endswith("_rate")}
    assert rates
    assert {one for one in config if slower[one] != config[one]} == rates
    assert all(slower[one] == pytest.approx(config[one] / 3, rel=0.05) for one in rates)
    assert kind.from_dict(slower)
    assert all(one.replace("_", " ") in gentler_words(kind, config) for one in rates)
    lowest = {**config, **{one: kind.option(one).low for one in rates}}
    assert gentler(kind, lowest) == lowest
    assert gentler_words(kind, lowest) == ""
