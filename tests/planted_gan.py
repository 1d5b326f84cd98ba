"""A tiny 2-D GAN, really trained, for the tests of its page: a second's work."""

from core.chapters.gan_2d.config import GAN2DConfig
from tests.trained import trained_once

TINY = GAN2DConfig(
    data="disjoint", g_neurons=8, d_neurons=8, batch_size=32, n_points=300, epochs=8, steps_per_frame=5, trials=2
)


def plant(store, name="tiny", **changes):
    """Put a tiny run into the store, trained once a session, and return it."""
    return trained_once(store, "gan_2d", TINY.changed(**changes), name)
