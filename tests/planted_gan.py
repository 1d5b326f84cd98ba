"""A tiny 2-D GAN, really trained, for the tests of its page: a second's work."""

from core.chapters.gan_2d.config import GAN2DConfig
from core.runs.store import Run
from core.training.session import new_run, work

TINY = GAN2DConfig(
    data="disjoint", g_neurons=8, d_neurons=8, batch_size=32, n_points=300, epochs=8, steps_per_frame=5, trials=2
)


def plant(store, name="tiny", **changes):
    """Train a tiny run into the store and return it."""
    run = new_run(store, "gan_2d", TINY.changed(**changes), name)
    assert work(run, device="cpu") == "finished"
    return Run.read(run.path, run.origin)
