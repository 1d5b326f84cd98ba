"""z under the pointer, Python's side: what the browser gets, what it may say, and what a link holds."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data import load
from core.errors import RunError
from core.families.vaes.layers import browser_decoder, browser_encoder
from pages._ui.runtime.payload import kept_epoch, packed, weights_of
from pages._ui.vaes import latent_space
from pages._ui.vaes.latent_space import Shown, checked, decoded, encoded, offers
from tests.planted_vae import plant


@pytest.fixture
def run(store):
    return plant(store)


SAID = {"z": [0.5, -1, 0], "across": 0, "up": 2, "dimension": 1, "from": 0, "to": 9, "seed": 3, "spread": 1}


def test_what_a_probe_says_is_taken_as_it_is():
    assert checked(SAID, 3, 10) == SAID
    assert checked(SAID | {"from": "drawn"}, 3, 10)["from"] == "drawn"


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        "z",
        *({"z": z} for z in (None, [0, 0], [0, 0, "0"], [0, 0, float("nan")], [0, 0, 1e9], [True, 0, 0])),
        *({name: value} for name in ("across", "up", "dimension") for value in (-1, 3, 0.5, "1", None, True)),
        *({name: value} for name in ("from", "to") for value in (10, -1, "erased", None)),
        *({"seed": value} for value in (-1, 100_000, 1.5, None)),
        *({"spread": value} for value in (-0.1, 2.1, "1", float("nan"))),
    ],
)
def test_what_a_probe_cannot_say_is_not_taken(wrong):
    assert checked({**SAID, **wrong} if isinstance(wrong, dict) else wrong, 3, 10) is None


@given(st.lists(st.floats(-8, 8), min_size=1, max_size=100))
def test_a_link_holds_z_to_a_fiftieth_of_a_hundredth(z):
    text = encoded(z)
    assert offers(len(z), 0, [0])["z"][1].fits(text)
    np.testing.assert_allclose(decoded(text, len(z)), z, atol=0.002001)


@given(st.text(max_size=12), st.integers(1, 6))
def test_no_text_in_a_link_does_harm(text, dimensions):
    z = decoded(text, dimensions)
    assert len(z) == dimensions
    assert all(abs(value) <= 8.19 for value in z)


def unpacked(block):
    length = int.from_bytes(block[:4], "little")
    head, at, files = json.loads(block[4 : 4 + length]), -(-(4 + length) // 8) * 8, []
    for size in head["sizes"]:
        files.append(block[at : at + size])
        at += -(-size // 8) * 8
    return head, files, at


def test_a_block_gives_back_what_was_packed():
    head, files, end = unpacked(block := packed({"name": "θ"}, [b"abc", b"", b"12345678"]))
    assert head["name"] == "θ"
    assert files == [b"abc", b"", b"12345678"]
    assert end == len(block)


def test_weights_are_sent_as_they_are(run):
    assert weights_of(run, 3) == (run.path / "weights.safetensors").read_bytes()
    assert weights_of(run, 1) == (run.path / "snapshots/1.safetensors").read_bytes()
    assert [kept_epoch(run, epoch) for epoch in (1, 2, 3)] == [1, 3, 3]


def test_weights_that_are_not_there_or_are_a_link_are_refused(run, tmp_path):
    with pytest.raises(RunError, match="snapshots/2.safetensors is missing"):
        weights_of(run, 2)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"secret")
    (run.path / "snapshots/2.safetensors").symlink_to(elsewhere)
    with pytest.raises(RunError, match="cannot be shown"):
        weights_of(run, 2)


@pytest.mark.parametrize("among", [None, np.arange(3, 1000, 7), np.arange(30)])
def test_images_of_the_plane_are_the_first_of_each_class(among):
    split = load("mnist-5k", "validation")
    chosen = np.arange(1000) if among is None else among
    shown = Shown.of(split, "validation", among)
    assert shown.labels == sorted(shown.labels)
    assert shown.numbers == chosen[shown.places].tolist()  # a row of the run's latents is that image's
    assert shown.labels == split.labels[shown.numbers].tolist()
    np.testing.assert_array_equal(shown.images, split.images[shown.numbers])
    per_class = np.bincount(split.labels[chosen])
    assert len(shown.labels) == np.minimum(per_class, latent_space.PER_CLASS).sum()


def test_without_the_data_there_are_no_images():
    nothing = Shown.of(None, "validation")
    assert (nothing.here, nothing.labels, nothing.images.shape) == (False, [], (0, 28, 28))


def test_the_layers_of_a_run_are_json(run):
    layers = [*browser_decoder(run.config, "vae.decoder"), *browser_encoder(run.config, "vae.encoder")]
    assert json.loads(json.dumps(layers, allow_nan=False))[0]["tensors"]["weight"] == "vae.decoder.0.weight"
