"""Histograms that lose no point, and divergences against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.chapters.gan_2d.histogram import counts, histogram, js, kl

anything = st.floats(allow_nan=True, allow_infinity=True)


class TestHistogram:
    @given(arrays(float, st.tuples(st.integers(1, 200), st.just(2)), elements=anything), st.integers(1, 30))
    def test_sums_to_one_whatever_the_points(self, points, bins):
        assert histogram(points, bins).sum() == pytest.approx(1, abs=1e-12)
        assert histogram(points, bins, smoothing=0.5).sum() == pytest.approx(1, abs=1e-12)
        assert counts(points, bins).sum() == len(points)

    def test_a_point_in_each_cell(self):
        ticks = (np.arange(4) + 0.5) / 4
        points = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
        assert counts(points, 4).tolist() == [1] * 16 + [0]

    def test_order_is_row_by_row(self):
        assert counts([(0.9, 0.1)], 2).tolist() == [0, 1, 0, 0, 0]
        assert counts([(0.1, 0.9)], 2).tolist() == [0, 0, 1, 0, 0]

    def test_edges_belong_to_the_square_and_the_rest_is_outside(self):
        assert counts([(0, 0), (1, 1), (1.001, 0.5), (0.5, -0.001), (math.nan, 0.5)], 2).tolist() == [1, 0, 0, 1, 3]

    def test_no_point(self):
        with pytest.raises(ValueError, match="at least one point"):
            histogram(np.zeros((0, 2)))
        assert histogram(np.zeros((0, 2)), 2, smoothing=1).tolist() == [0.2] * 5


class TestDivergences:
    def test_kl_of_two_coins(self):
        # KL(Bernoulli(1/2) || Bernoulli(1/4)) = log 2 - log(3) / 2
        assert kl([0.5, 0.5], [0.25, 0.75]) == pytest.approx(math.log(2) - math.log(3) / 2, abs=1e-15)

    def test_kl_of_uniform_on_part_of_the_bins(self):
        assert kl([0.25] * 4 + [0] * 4, [0.125] * 8) == pytest.approx(math.log(2), abs=1e-15)
        assert kl([0.125] * 8, [0.25] * 4 + [0] * 4) == math.inf

    def test_js_by_hand(self):
        # p = (1, 0), q = (1/2, 1/2): middle (3/4, 1/4)
        expected = 0.5 * math.log(4 / 3) + 0.5 * (0.5 * math.log(2 / 3) + 0.5 * math.log(2))
        assert js([1, 0], [0.5, 0.5]) == pytest.approx(expected, abs=1e-15)

    def test_js_of_equal_and_of_disjoint(self):
        p = histogram(np.random.default_rng(0).random((500, 2)))
        assert js(p, p) == 0
        assert js([1, 0], [0, 1]) == pytest.approx(math.log(2), abs=1e-15)

    @given(st.integers(0, 10_000))
    def test_js_is_symmetric_and_bounded(self, seed):
        p, q = np.random.default_rng(seed).dirichlet(np.full(20, 0.3), 2)
        assert js(p, q) == pytest.approx(js(q, p), abs=1e-12)
        assert 0 <= js(p, q) <= math.log(2) + 1e-12

    def test_points_that_leave_the_square_count_as_different(self):
        inside = np.random.default_rng(0).random((1000, 2))
        half_gone = np.concatenate([inside[:500], inside[500:] + 5])
        # p uniform on cells; q half there, half in the outside bin: JS = the value for (1, 0) against (1/2, 1/2)
        expected = js([1, 0], [0.5, 0.5])
        assert js(histogram(inside, 1), histogram(half_gone, 1)) == pytest.approx(expected, abs=1e-12)
