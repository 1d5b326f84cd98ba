"""The classifier's network and the average of its weights."""

import copy

import pytest
import torch
from torch import nn

from core.models.classifier import Classifier, average_into, block


@pytest.fixture
def images():
    return torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def test_logits_and_features_have_the_documented_shapes(images):
    model = Classifier(width=3).eval()
    assert model(images).shape == (5, 10)
    features = model.features(images)
    assert features.shape == (5, 12)
    assert features.min() >= 0
    torch.testing.assert_close(model.head(features), model(images))


def test_number_of_weights_is_the_documented_architectures():
    w = 4
    convolutions = 9 * (w + 2 * w * w + 4 * w * w + 8 * w * w + 16 * w * w)
    normalisations = 2 * (w + 2 * w + 2 * w + 4 * w + 4 * w)
    head = 4 * w * 10 + 10
    assert sum(p.numel() for p in Classifier(w).parameters()) == convolutions + normalisations + head


def test_pooling_before_the_normalisation_gives_the_same_as_after_it_where_the_scale_is_positive(images):
    torch.manual_seed(0)
    convolution, pool, normal, relu = block(1, 4, nn.MaxPool2d(2))
    normal.weight.data.uniform_(0.5, 2)
    normal.running_mean.uniform_(-1, 1)
    early, late = nn.Sequential(convolution, pool, normal, relu), nn.Sequential(convolution, normal, relu, pool)
    torch.testing.assert_close(early.eval()(images), late.eval()(images))


def test_a_shift_by_whole_pooling_steps_inside_the_frame_changes_no_feature():
    image = torch.zeros(1, 1, 28, 28)
    image[0, 0, 10:14, 10:14] = torch.rand(4, 4, generator=torch.Generator().manual_seed(1))
    moved = image.roll((4, -4), (2, 3))  # 4 pixels: one place of the last stage
    model = Classifier(width=2).eval()
    for layer in model.body:
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(model.features(image), model.features(moved))


def test_average_follows_its_closed_form_and_copies_counters():
    model = Classifier(width=2)
    average = copy.deepcopy(model)
    before = {name: value.clone() for name, value in average.state_dict().items()}
    model(torch.rand(8, 1, 28, 28))  # moves running means and counts one batch
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    average_into(average, model, 0.75)
    now, theirs = average.state_dict(), model.state_dict()
    for name, value in now.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, 0.75 * before[name] + 0.25 * theirs[name])
        else:
            assert value == theirs[name] == 1


def test_average_with_no_memory_is_the_model_itself():
    model, average = Classifier(width=2), Classifier(width=2)
    average_into(average, model, 0.0)
    for name, value in average.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])
