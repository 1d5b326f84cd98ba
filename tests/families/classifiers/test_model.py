"""The classifier's network."""

import pytest
import torch
from torch import nn

from core.families.classifiers.layers import architecture, block, network
from core.families.classifiers.model import Classifier
from core.networks import build


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


@pytest.mark.parametrize("width", [2, 16])
def test_the_listed_layers_are_those_of_the_network(width):
    listed, model = architecture(width), Classifier(width)
    assert listed["Weights"].sum() == sum(p.numel() for p in model.parameters())
    assert len(listed) == sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in model.modules())
    assert listed["Output"].tolist()[-2:] == [str(model.head.in_features), str(model.head.out_features)]


def test_the_browsers_layers_name_every_weight_of_the_module():
    state = {f"classifier.{name}" for name in Classifier(3).state_dict() if "num_batches" not in name}
    assert {name for one in network(3) for name in one["tensors"].values()} == state


def test_pooling_before_the_normalisation_gives_the_same_as_after_it_where_the_scale_is_positive(images):
    torch.manual_seed(0)
    convolution, pool, normal, relu = build(block(1, 4, "halve"))
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
