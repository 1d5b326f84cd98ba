"""The average of a network's weights."""

import copy

import torch

from core.families.classifiers.model import Classifier
from core.training.ema import ema_decay, ema_update


def test_average_follows_its_closed_form_and_copies_counters():
    model = Classifier(width=2)
    average = copy.deepcopy(model)
    before = {name: value.clone() for name, value in average.state_dict().items()}
    model(torch.rand(8, 1, 28, 28))  # moves running means and counts one batch
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    ema_update(average, model, 0.75)
    now, theirs = average.state_dict(), model.state_dict()
    for name, value in now.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, 0.75 * before[name] + 0.25 * theirs[name])
        else:
            assert value == theirs[name] == 1


def test_average_with_no_memory_is_the_model_itself():
    model, average = Classifier(width=2), Classifier(width=2)
    ema_update(average, model, 0.0)
    for name, value in average.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])


def test_memory_grows_with_the_steps_until_it_is_the_wanted_one():
    assert ema_decay(0, 0.998) == 0.1
    assert ema_decay(90, 0.998) == 0.91
    assert ema_decay(10**6, 0.998) == 0.998
    assert ema_decay(10**6, 0.0) == 0.0
