"""A generated point cloud beside the real distribution: every measure of it, by name."""

from __future__ import annotations

from numpy.typing import ArrayLike

from core.chapters.gan_2d.histogram import histogram, js, kl
from core.chapters.gan_2d.modes import mode_report
from core.data.points import Distribution

SMOOTHING = 0.5


def compare(points: ArrayLike, source: Distribution, reference: ArrayLike) -> dict[str, float]:
    """Return the measures of ``points``, shape (n, 2), against a distribution and its histogram.

    ``js`` is the Jensen-Shannon divergence, ``kl`` is KL(real || generated) with half a count added to every bin,
    so that it stays finite; both in nats. Where the modes are known: ``modes`` covered, ``high_quality``,
    ``reverse_kl`` and ``sigma_ratio`` (see ``core.chapters.gan_2d.modes.ModeReport``).
    """
    values = {
        "js": js(reference, histogram(points)),
        "kl": kl(reference, histogram(points, smoothing=SMOOTHING)),
    }
    if source.n_modes:
        report = mode_report(points, source)
        values |= {
            "modes": float(report.covered),
            "high_quality": report.high_quality,
            "reverse_kl": report.reverse_kl,
            "sigma_ratio": report.sigma_ratio,
        }
    return values
