"""The tables of a VAE's evaluation, on planted terms and means."""

import numpy as np
import pandas as pd
import pytest

from core.families.vaes.tables import gap_at_equal_shares, measures, nearest, neighbour_map, per_class


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_measures_are_plain_means_with_their_standard_error():
    reconstruction, kl = np.array([10.0, 20.0, 30.0]), np.array([1.0, 2.0, 6.0])
    row = measures(reconstruction, kl).iloc[0]
    assert (row["n"], row["loss"], row["reconstruction"], row["kl"]) == (3, 23.0, 20.0, 3.0)
    assert row["standard_error"] == pytest.approx(np.std([11.0, 22.0, 36.0], ddof=1) / np.sqrt(3))


def test_one_image_has_no_standard_error():
    assert np.isnan(measures(np.array([1.0]), np.array([2.0]))["standard_error"].item())


def test_classes_weighted_by_their_size_give_the_whole(rng):
    labels = rng.integers(0, 4, 500)
    reconstruction, kl = rng.normal(20, 3, 500), rng.exponential(5, 500)
    classes = per_class(reconstruction, kl, labels)
    assert list(classes["label"]) == [0, 1, 2, 3]
    assert classes["n"].sum() == 500
    assert (classes["n"] * classes["loss"]).sum() / 500 == pytest.approx((reconstruction + kl).mean())


def test_the_gap_at_equal_shares_forgets_the_shares():
    """Class 1 is cheap and fills most of the training split: the plain gap is 4 nats, that within classes 0.5."""
    frame = pd.DataFrame(
        {
            "split": ["train", "train", "validation", "validation", "test"],
            "label": [0, 1, 0, 1, 0],
            "loss": [50.0, 20.0, 50.5, 20.5, 99.0],
        }
    )
    assert gap_at_equal_shares(frame[frame["split"] != "test"]) == pytest.approx(0.5)


def test_nearest_agrees_with_the_plain_search_and_is_never_itself(rng):
    mu = rng.normal(size=(700, 5)).astype(np.float32)
    mu[10] = mu[20]  # a twin lies at distance 0, and it is the twin that is found
    places = np.arange(0, 700, 1)
    found = nearest(mu, places)
    distances = np.linalg.norm(mu[:, None] - mu[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    chosen = distances[places, found]
    np.testing.assert_allclose(chosen, distances.min(1), atol=1e-3)
    assert (found != places).all()
    assert (found[10], found[20]) == (20, 10)


def clusters(rng, per=40, dimensions=6):
    centres = 20 * np.eye(dimensions)[:3]
    labels = np.repeat(np.arange(3), per)
    return (centres[labels] + rng.normal(size=(3 * per, dimensions))).astype(np.float32), labels


def test_the_map_keeps_groups_together_inside_the_unit_circle(rng):
    mu, labels = clusters(rng)
    places = neighbour_map(mu)
    assert places.shape == (120, 2)
    assert np.linalg.norm(places, axis=1).max() == pytest.approx(1)
    np.testing.assert_allclose(places.mean(0), 0, atol=1e-9)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (labels[distances.argmin(1)] == labels).all()


def test_a_map_may_start_from_another_and_is_the_same_every_time(rng):
    mu, _ = clusters(rng, per=20)
    first = neighbour_map(mu)
    again = neighbour_map(mu, first)
    np.testing.assert_array_equal(again, neighbour_map(mu, first))
    # the three groups keep their places: each group's centre is nearest to its own earlier centre
    before, after = (one.reshape(3, 20, 2).mean(1) for one in (first, again))
    assert (np.linalg.norm(before[:, None] - after[None], axis=2).argmin(1) == np.arange(3)).all()


def test_one_latent_dimension_has_a_map_too(rng):
    assert np.isfinite(neighbour_map(rng.normal(size=(30, 1)).astype(np.float32))).all()
