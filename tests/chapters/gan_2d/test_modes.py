"""Mode counting on planted samples, and truncated spreads against sampling."""

import math

import numpy as np
import pytest

from core.chapters.gan_2d.clouds import compare
from core.chapters.gan_2d.histogram import histogram
from core.chapters.gan_2d.modes import mode_report, nearest, truncated_rms
from core.data.points import SHAPES, distribution

RING = distribution("ring")


def planted(modes, each=100, offset=(0.0, 0.0)):
    """Return ``each`` copies of the centres of some modes of the ring, moved by ``offset`` sigmas."""
    return np.repeat(RING.anchors[list(modes)], each, axis=0) + np.array(offset) * RING.sigma


class TestPlanted:
    @pytest.mark.parametrize("k", range(9))
    def test_counts_the_modes_that_were_planted(self, k):
        points = np.concatenate([planted(range(k)), np.full((100, 2), 0.5)])  # and some in the middle, on no mode
        report = mode_report(points, RING)
        assert (report.covered, report.n_modes) == (k, 8)
        assert report.high_quality == pytest.approx(k / (k + 1))

    def test_a_mode_needs_a_tenth_of_its_share(self):
        whole = planted(range(7), each=1000)
        due = len(whole) / 7 * 8 / 8  # what the eighth mode should hold
        for held, covered in ((int(due * 0.05), 7), (int(due * 0.15), 8)):
            points = np.concatenate([whole, planted([7], each=held)])
            assert mode_report(points, RING).covered == covered

    def test_three_sigma_is_the_border(self):
        assert mode_report(planted([0], offset=(2.99, 0)), RING).high_quality == 1
        assert mode_report(planted([0], offset=(3.01, 0)), RING).high_quality == 0

    def test_reverse_kl_closed_forms(self):
        assert mode_report(planted(range(8)), RING).reverse_kl == pytest.approx(0, abs=1e-12)
        assert mode_report(planted([3]), RING).reverse_kl == pytest.approx(math.log(8))
        assert mode_report(planted(range(4)), RING).reverse_kl == pytest.approx(math.log(2))

    def test_reverse_kl_is_relative_to_true_weights(self):
        shape = distribution("disjoint")
        centres = [shape.anchors[shape.modes == k][0] for k in range(3)]
        points = np.repeat(centres, [500, 300, 200], axis=0)
        assert mode_report(points, shape).reverse_kl == pytest.approx(0, abs=1e-12)

    def test_sigma_ratio_of_points_on_the_centre_is_zero(self):
        report = mode_report(planted(range(8)), RING)
        assert report.covered == 8
        assert report.sigma_ratio < 1e-5  # rounding of squares of 1e-3 leaves 1e-6

    def test_samples_that_are_no_numbers(self):
        points = np.concatenate([planted(range(8)), np.full((800, 2), np.nan)])
        assert mode_report(points, RING).high_quality == 0.5

    def test_no_good_sample(self):
        report = mode_report(np.full((10, 2), 0.5), RING)
        assert (report.covered, report.high_quality, report.sigma_ratio) == (0, 0, 0)

    def test_refusals(self):
        with pytest.raises(ValueError, match="not known"):
            mode_report([(0.5, 0.5)], distribution("points", "gACA"))
        with pytest.raises(ValueError, match="no samples"):
            mode_report(np.zeros((0, 2)), RING)


class TestRealSamples:
    @pytest.mark.parametrize("name", SHAPES)
    def test_the_real_distribution_measures_as_right(self, name):
        shape = distribution(name)
        points = shape.sample(20_000, np.random.default_rng(5))
        report = mode_report(points, shape)
        assert report.covered == report.n_modes
        expected = 1 - math.exp(-4.5) if shape.spread == 2 else math.erf(3 / math.sqrt(2))
        # Binomial standard error below 8e-4; the ends of curves add up to 5e-4.
        assert report.high_quality == pytest.approx(expected, abs=4e-3)
        assert report.reverse_kl < 2.5e-3  # (k - 1) / 2n on average, at most 6e-4
        assert report.sigma_ratio == pytest.approx(1, abs=0.03)

    def test_half_the_spread_measures_half(self):
        rng = np.random.default_rng(2)
        points = RING.anchors[rng.integers(8, size=20_000)] + 0.5 * RING.sigma * rng.standard_normal((20_000, 2))
        # A spread of half of sigma is hardly truncated at 3 sigma, so it measures 0.5 over the truncated unit spread.
        assert mode_report(points, RING).sigma_ratio == pytest.approx(0.5 / truncated_rms(2), rel=0.01)

    def test_truncated_spread_against_sampling(self):
        draws = np.random.default_rng(0).standard_normal((400_000, 2))
        radius = np.hypot(*draws.T)
        assert truncated_rms(2) == pytest.approx(math.sqrt((radius[radius <= 3] ** 2).mean() / 2), abs=3e-3)
        one = np.abs(draws[:, 0])
        assert truncated_rms(1) == pytest.approx(math.sqrt((one[one <= 3] ** 2).mean()), abs=3e-3)


def test_nearest_agrees_with_all_pairs():
    shape = distribution("moons")
    points = np.random.default_rng(0).random((6000, 2))
    distance, mode = nearest(points, shape)
    square = ((points[:, None] - shape.anchors) ** 2).sum(-1)
    assert distance == pytest.approx(np.sqrt(square.min(1)), abs=1e-9)
    assert (mode == shape.modes[square.argmin(1)]).all()


def test_compare_gives_modes_only_where_they_are_known():
    points = RING.sample(2000, np.random.default_rng(0))
    reference = histogram(RING.sample(20_000, np.random.default_rng(1)))
    assert set(compare(points, RING, reference)) == {"js", "kl", "modes", "high_quality", "reverse_kl", "sigma_ratio"}
    own = distribution("points", "gACA")
    assert set(compare(points, own, reference)) == {"js", "kl"}
    assert compare(points, own, reference)["js"] < 0.02
    assert math.isfinite(compare(np.full((10, 2), 9.0), own, reference)["kl"])
