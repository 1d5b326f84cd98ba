"""Point distributions, and the reader's own points in every state of disrepair."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.chapters.gan_2d.config import GAN2DConfig
from core.data.points import (
    LEVELS,
    MAX_POINTS,
    SHAPES,
    decode,
    distribution,
    encode,
    own_points,
)
from core.errors import ConfigError, DataError

unit = st.floats(0, 1)


class TestShapes:
    @pytest.mark.parametrize("name", SHAPES)
    def test_lies_in_the_square_and_is_the_same_for_the_same_seed(self, name):
        shape = distribution(name)
        points = shape.sample(5000, np.random.default_rng(3))
        assert ((points >= 0) & (points <= 1)).all()
        assert np.array_equal(points, shape.sample(5000, np.random.default_rng(3)))
        assert not np.array_equal(points, shape.sample(5000, np.random.default_rng(4)))

    @pytest.mark.parametrize("name", SHAPES)
    def test_anchors_are_noise_free_and_shares_sum_to_one(self, name):
        shape = distribution(name)
        assert shape.shares.sum() == pytest.approx(1)
        assert (shape.shares > 0).all()
        assert len(shape.modes) == len(shape.anchors)

    def test_ring_has_pacgans_geometry(self):
        ring = distribution("ring")
        radius = np.hypot(*(ring.anchors - 0.5).T)
        assert np.allclose(radius, 0.35)
        assert ring.sigma / 0.35 == pytest.approx(0.01)
        assert ring.n_modes == 8

    def test_grid_has_pacgans_geometry(self):
        grid = distribution("grid")
        assert grid.n_modes == 25
        assert np.allclose(np.diff(np.unique(grid.anchors[:, 0])), 0.2)
        assert grid.sigma / 0.2 == pytest.approx(0.05 / 2)

    def test_parabola_is_one(self):
        x, y = distribution("parabola").anchors.T
        a, b, c = np.polyfit(x, y, 2)
        assert np.abs(np.polyval([a, b, c], x) - y).max() < 1e-6
        assert a > 0

    def test_curves_are_evenly_drawn(self):
        steps = np.hypot(*np.diff(distribution("parabola").anchors, axis=0).T)
        assert steps.std() / steps.mean() < 1e-3

    def test_disjoint_clusters_have_their_weights(self):
        shape = distribution("disjoint")
        assert shape.shares.tolist() == [0.5, 0.3, 0.2]
        points = shape.sample(20_000, np.random.default_rng(0))
        counts = [(np.hypot(*(points - c).T) < 0.2).mean() for c in np.unique(shape.anchors, axis=0)]
        # Standard error of a share from 20,000 draws is at most 0.0036: five of them.
        assert sorted(counts) == pytest.approx([0.2, 0.3, 0.5], abs=0.018)

    def test_noise_has_the_stated_width(self):
        ring = distribution("ring")
        points = ring.sample(50_000, np.random.default_rng(1))
        first = points[np.hypot(*(points - ring.anchors[0]).T) < 0.1]
        assert first.std(axis=0) == pytest.approx([ring.sigma] * 2, rel=0.05)

    def test_unknown_shape(self):
        with pytest.raises(DataError, match="The shapes are"):
            distribution("torus")


class TestOwnPoints:
    def test_no_point(self):
        with pytest.raises(DataError, match="Draw at least one stroke"):
            own_points([])

    def test_one_point_makes_a_distribution(self):
        shape = distribution("points", encode(own_points([(0.25, 0.75)]).points), jitter=0.01)
        points = shape.sample(4000, np.random.default_rng(0))
        assert points.mean(axis=0) == pytest.approx([0.25, 0.75], abs=1e-3)
        assert points.std(axis=0) == pytest.approx([0.01, 0.01], rel=0.1)
        assert shape.n_modes == 0

    def test_identical_points_without_noise_stay_one_point(self):
        shape = distribution("points", encode([(0.5, 0.5)] * 20), jitter=0.0)
        assert np.ptp(shape.sample(100, np.random.default_rng(0)), axis=0).tolist() == [0, 0]

    def test_points_outside_are_left_out_and_it_says_so(self):
        own = own_points([(0.5, 0.5), (1.5, 0.5), (0.5, -0.1)])
        assert own.points.tolist() == [[0.5, 0.5]]
        assert own.notes == ("2 points outside the square were left out",)

    def test_only_points_outside(self):
        with pytest.raises(DataError, match="every point lies outside"):
            own_points([(2, 2), (3, 3)])

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e300])
    def test_values_that_are_no_coordinates(self, bad):
        with pytest.raises(DataError, match="not a usable number"):
            own_points([(0.5, 0.5), (bad, 0.5)], fit=True)

    @pytest.mark.parametrize("bad", ["text", [["a", "b"]], [[1, 2, 3]], [[1, 2], [3]], None])
    def test_things_that_are_no_points(self, bad):
        with pytest.raises(DataError):
            own_points(bad)

    def test_too_many_are_thinned_the_same_way_every_time(self):
        many = np.random.default_rng(0).random((5000, 2))
        own = own_points(many)
        assert len(own.points) == MAX_POINTS
        assert "400 of 5,000" in own.notes[0]
        assert np.array_equal(own.points, own_points(many).points)

    def test_fit_keeps_proportions(self):
        own = own_points([(0, 0), (200, 0), (200, 100)], fit=True)
        assert own.points == pytest.approx(np.array([[0.1, 0.3], [0.9, 0.3], [0.9, 0.7]]))

    def test_fit_of_identical_points_far_away(self):
        assert own_points([(50, 50)] * 3, fit=True).points.tolist() == [[0.5, 0.5]] * 3


class TestCode:
    @given(arrays(float, st.tuples(st.integers(1, MAX_POINTS), st.just(2)), elements=unit))
    def test_round_trip(self, points):
        assert np.abs(decode(encode(points)) - points).max() <= 0.5 / LEVELS + 1e-12

    def test_four_characters_a_point(self):
        assert len(encode(np.zeros((MAX_POINTS, 2)))) == 4 * MAX_POINTS

    @given(st.text(max_size=60))
    def test_any_text_reads_or_is_refused(self, text):
        try:
            points = decode(text)
        except DataError:
            return
        assert ((points >= 0) & (points <= 1)).all()

    @pytest.mark.parametrize("text", ["", "ab", "abc", "a" * 4 * (MAX_POINTS + 1), "ab !", "<b>!", "äöüß"])
    def test_refused(self, text):
        with pytest.raises(DataError):
            decode(text)

    def test_config_refuses_a_broken_drawing(self):
        with pytest.raises((ConfigError, DataError)):
            GAN2DConfig(data="points", points="nonsense!")
        with pytest.raises((ConfigError, DataError)):
            GAN2DConfig(data="points")
