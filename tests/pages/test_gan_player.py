"""What the player gets, and what is believed of what the browser says."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load

from core.chapters.gan_2d.film import LATTICE, SHOWN, Film
from core.data.points import LEVELS, MAX_POINTS
from pages._ui.gan_2d import player as gan_player
from pages._ui.gan_2d.player import LAYERS, Pane, bundle, checked_points, parse_layers, rest_of, scale_of

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


def film(frames=4, seed=0):
    rng = np.random.default_rng(seed)
    made = Film(rng.integers(0, 60_000, (7, 2)).astype(np.uint16), {"loss": "non-saturating", "noise_dim": 2})
    for step in range(frames):
        made.add(
            step * 10,
            {
                "field": rng.integers(0, 256, (40, 40)).astype(np.uint8),
                "points": rng.integers(0, 60_000, (SHOWN, 2)).astype(np.uint16),
                "arrows": rng.standard_normal((SHOWN, 2)).astype(np.float16),
                "manifold": rng.integers(0, 60_000, (LATTICE**2, 2)).astype(np.uint16),
            },
        )
    return made


def rows(frames=4):
    measures = {"js": 0.1, "arrow": 1.0, "undecided": 0.5, "level_real": 0.6, "level_generated": 0.4, "spread": 1.0}
    modes = {"modes": 2.0, "high_quality": 0.9, "sigma_ratio": 1.0}
    return [{**measures, **modes, "train_d_loss": float("nan")}] + [{**measures, **modes}] * (frames - 1)


def unpack(data):
    """Return head and films of a bundle, as the browser reads them."""
    length = int.from_bytes(data[:4], "little")
    head = json.loads(data[4 : 4 + length], parse_constant=lambda name: pytest.fail(f"{name} is not strict JSON"))
    at, films = -(-(4 + length) // 8) * 8, []
    for pane in head["panes"]:
        films.append(load(data[at : at + pane["bytes"]]))
        at += -(-pane["bytes"] // 8) * 8
    assert at == len(data)
    return head, films


class TestBundle:
    def test_holds_everything(self):
        one = film()
        head, films = unpack(bundle([Pane("run", "about", one, rows(), 3)], name="x", at=2))
        assert (head["id"], head["at"], head["first"], head["total"]) == ("x", 2, 0, 4)
        assert np.array_equal(films[0]["field"][3], one.frames[3]["field"])
        pane = head["panes"][0]
        assert len(pane["words"]) == len(pane["warnings"]) == 4
        assert [measure["label"] for measure in pane["measures"]][2] == "Modes covered, of 3"
        assert pane["measures"][0]["series"][0]["values"] == [None] * 4

    def test_two_films_of_different_length(self):
        panes = [Pane("a", "", film(4), rows(4), 0), Pane("b", "", film(3, 1), rows(3), 0)]
        head, films = unpack(bundle(panes, name="x"))
        assert [len(one["field"]) for one in films] == [4, 3]
        assert all("Modes" not in m["label"] for pane in head["panes"] for m in pane["measures"])

    @pytest.mark.parametrize("first", [0, 3, 4])
    def test_only_what_is_new(self, first):
        head, films = unpack(bundle([Pane("run", "", film(), rows(), 3)], name="x", first=first, live=True))
        assert len(films[0]["points"]) == 4 - first
        assert len(head["panes"][0]["words"]) == 4 - first
        assert head["total"] == 4

    def test_scales_name_their_unit(self):
        assert scale_of("wasserstein")[0].startswith("−0.25")
        assert scale_of("non-saturating") != scale_of("least-squares")


class TestFromTheBrowser:
    @given(anything)
    def test_points_of_any_kind(self, said):
        points = checked_points(said)
        assert points is None or all(len(p) == 2 and 0 <= min(p) <= max(p) <= 1 for p in points)

    def test_points(self):
        assert checked_points([[0, LEVELS], [LEVELS, 0]]) == [[0, 1], [1, 0]]
        assert checked_points([[-1, 5], [5, LEVELS + 1], [True, 1], [1.5, 2], "x", [1, 2, 3]]) == []
        assert len(checked_points([[1, 1]] * 5000)) == MAX_POINTS
        assert checked_points(None) is None

    @given(anything, anything, anything)
    def test_rest_of_any_kind(self, frame, layers, speed):
        rest = rest_of({"frame": frame, "layers": layers, "speed": speed}, "film", 10)
        assert rest.frame is None
        assert rest.layers is None or set(rest.layers) <= set(LAYERS)
        assert rest.speed is None or rest.speed in gan_player.SPEEDS

    def test_rest(self):
        said = {"frame": {"id": "film", "frame": 4}, "layers": "arrows-field", "speed": 30}
        rest = rest_of(said, "film", 10)
        assert (rest.frame, rest.layers, rest.speed) == (4, ("field", "arrows"), 30)
        assert rest_of(said, "another film", 10).frame is None
        for of, last in ((5, True), (6, False), ("5", False)):
            assert rest_of({"frame": {"id": "film", "frame": 4, "of": of}}, "film", 10).last is last
        assert rest_of(said, "film", 4).frame is None

    @pytest.mark.parametrize(
        ("text", "layers"),
        [
            ("none", ()),
            ("field", ("field",)),
            ("manifold-real", ("real", "manifold")),
            (None, LAYERS),
            ("", LAYERS),
            ("nonsense", LAYERS),
            ("field-<b>", LAYERS),
        ],
    )
    def test_layers_of_a_link(self, text, layers):
        assert parse_layers(text) == layers
