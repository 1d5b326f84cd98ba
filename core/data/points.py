"""Two-dimensional point distributions in the unit square: six shapes, and the reader's own points.

Every distribution is a set of *anchors* with Gaussian noise around them: a point is drawn by picking an
anchor uniformly and adding ``sigma`` of noise in both directions. Clusters have one anchor (or several
equal ones, for weight), curves have many, evenly spaced along their length. The true density is
therefore known for every shape, and with it what a *mode* is: a cluster, or one of ten equally long
pieces of a curve. The reader's own points have no known modes.

The ring and the grid have the geometry of Srivastava et al. (VEEGAN, arXiv:1705.07761, section 5.1) and
Lin et al. (PacGAN, arXiv:1712.04086, section 4.1), shrunk into the square: noise of 0.01 of the ring's
radius and of 1/40 of the grid's spacing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import DataError

Array = NDArray[np.float64]

OWN = "points"
MAX_POINTS = 400
LEVELS = 4095  # coordinates of own points are kept in 12 bits each, so that a drawing fits into a link
CURVE_PIECES = 10
CURVE_ANCHORS = 400
CURVE_SIGMA = 0.02


@dataclass(frozen=True)
class Distribution:
    """A distribution on the plane whose density is known.

    Parameters
    ----------
    name, title
        Short name, and the one shown.
    anchors
        Shape (m, 2), in units of the square's side.
    modes
        Shape (m,): the mode of each anchor, 0 to k - 1; empty where no modes are known.
    sigma
        Standard deviation of the noise around an anchor, in each direction.
    spread
        Directions in which noise moves a point away from its mode: 2 for clusters, 1 for curves (along
        the curve it does not). 0 where no modes are known.
    """

    name: str
    title: str
    anchors: Array
    modes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    sigma: float = CURVE_SIGMA
    spread: int = 0

    @property
    def n_modes(self) -> int:
        """Number of modes, 0 where none are known."""
        return int(self.modes.max()) + 1 if self.modes.size else 0

    @property
    def shares(self) -> Array:
        """True share of each mode, shape (k,); sums to 1."""
        return np.bincount(self.modes, minlength=self.n_modes) / max(len(self.modes), 1)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return ``n`` fresh points, shape (n, 2). A few may lie outside the square."""
        picked = rng.integers(len(self.anchors), size=n)
        return self.anchors[picked] + self.sigma * rng.standard_normal((n, 2))


@dataclass(frozen=True)
class OwnPoints:
    """The reader's points, ready to be learnt: shape (n, 2) in the square, and what was done to them."""

    points: Array
    notes: tuple[str, ...] = ()


def _clusters(name: str, title: str, centres: ArrayLike, sigma: float, weights: Sequence[int] = ()) -> Distribution:
    places = np.asarray(centres, float)
    modes = np.repeat(np.arange(len(places)), weights or np.ones(len(places), int))
    return Distribution(name, title, places[modes], modes, sigma, spread=2)


def _evenly(path: Callable[[Array], Array], n: int) -> Array:
    """Return ``n`` points evenly spaced by arc length along ``path``, a function of [0, 1]."""
    fine = path(np.linspace(0, 1, 20_001))
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(fine, axis=0).T))])
    wanted = (np.arange(n) + 0.5) / n * length[-1]
    return np.stack([np.interp(wanted, length, fine[:, axis]) for axis in (0, 1)], axis=1)


def _curves(name: str, title: str, *paths: Callable[[Array], Array]) -> Distribution:
    each = CURVE_ANCHORS // len(paths)
    pieces = CURVE_PIECES // len(paths)
    anchors = np.concatenate([_evenly(path, each) for path in paths])
    modes = np.concatenate([np.arange(each) * pieces // each + index * pieces for index in range(len(paths))])
    return Distribution(name, title, anchors, modes, spread=1)


def _parabola() -> Distribution:
    return _curves("parabola", "Parabola", lambda t: np.stack([0.12 + 0.76 * t, 0.12 + 0.7 * (2 * t - 1) ** 2], axis=1))


def _line() -> Distribution:
    return _curves("line", "Line", lambda t: np.stack([0.15 + 0.7 * t, 0.25 + 0.5 * t], axis=1))


def _ring() -> Distribution:
    angle = np.arange(8) * np.pi / 4
    return _clusters("ring", "Ring of 8", 0.5 + 0.35 * np.stack([np.cos(angle), np.sin(angle)], axis=1), 0.0035)


def _grid() -> Distribution:
    ticks = 0.1 + 0.2 * np.arange(5)
    return _clusters("grid", "Grid of 25", np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2), 0.005)


def _moons() -> Distribution:
    def arc(t: Array, x: float, y: float, sign: int) -> Array:
        return np.stack([x - sign * 0.24 * np.cos(np.pi * t), y + sign * 0.24 * np.sin(np.pi * t)], axis=1)

    return _curves("moons", "Two moons", lambda t: arc(t, 0.38, 0.44, 1), lambda t: arc(t, 0.62, 0.56, -1))


def _disjoint() -> Distribution:
    return _clusters("disjoint", "Disjoint clusters", [(0.2, 0.25), (0.8, 0.35), (0.45, 0.82)], 0.04, (5, 3, 2))


_MAKERS: dict[str, Callable[[], Distribution]] = {
    "parabola": _parabola,
    "line": _line,
    "ring": _ring,
    "grid": _grid,
    "moons": _moons,
    "disjoint": _disjoint,
}
SHAPES: tuple[str, ...] = tuple(_MAKERS)


def distribution(name: str, points: str = "", jitter: float = 0.01) -> Distribution:
    """Return a shape by name, or for ``"points"`` the reader's own points, blurred by ``jitter``.

    Raises DataError for an unknown name and for a code of own points that does not read.
    """
    if name == OWN:
        return Distribution(OWN, "Your points", decode(points), sigma=jitter)
    if name not in _MAKERS:
        raise DataError(f"there is no shape {name[:40]!r}", f"The shapes are: {', '.join(SHAPES)}, {OWN}")
    return _MAKERS[name]()


def own_points(points: ArrayLike, *, fit: bool = False, seed: int = 0) -> OwnPoints:
    """Check the reader's points and bring them into the square.

    Parameters
    ----------
    points
        Shape (n, 2).
    fit
        Move and shrink the whole cloud (both directions alike) into the square when a point lies outside;
        otherwise such points are left out.

    Returns
    -------
    OwnPoints
        At most MAX_POINTS points; more are thinned by a seeded draw, and the notes say so. One point, or
        many equal ones, are allowed: they make a distribution with a single cluster.

    Raises
    ------
    DataError
        If there is no point, a value is not finite, or no point lies in the square.
    """
    try:
        cloud = np.asarray(points, float).reshape(-1, 2) if np.size(points) else np.zeros((0, 2))
    except (TypeError, ValueError):
        raise DataError("these are no points", "Give pairs of numbers x, y") from None
    if not len(cloud):
        raise DataError("there are no points", "Draw at least one stroke, or load a file with two columns of numbers")
    if not np.isfinite(cloud).all() or np.abs(cloud).max() > 1e12:
        raise DataError("a coordinate is not a usable number", "Remove NaN, infinite and astronomically large values")
    notes = []
    outside = int(((cloud < 0) | (cloud > 1)).any(axis=1).sum())
    if outside and fit:
        low, high = cloud.min(axis=0), cloud.max(axis=0)
        cloud = 0.5 + 0.8 * (cloud - (low + high) / 2) / max(float((high - low).max()), 1e-12)
        notes.append("moved and scaled into the square")
    elif outside:
        cloud = cloud[((cloud >= 0) & (cloud <= 1)).all(axis=1)]
        if not len(cloud):
            raise DataError("every point lies outside the square", "Use coordinates from 0 to 1")
        notes.append(f"{outside:,} points outside the square were left out")
    if len(cloud) > MAX_POINTS:
        keep = np.sort(np.random.default_rng(seed).choice(len(cloud), MAX_POINTS, replace=False))
        notes.append(f"{MAX_POINTS:,} of {len(cloud):,} points are used, drawn at random")
        cloud = cloud[keep]
    return OwnPoints(cloud, tuple(notes))


def encode(points: ArrayLike) -> str:
    """Return points in the square as a short text for a link: 4 characters each, base64url, 12 bits a coordinate."""
    whole = np.round(np.clip(np.asarray(points, float).reshape(-1, 2), 0, 1) * LEVELS).astype(np.uint32)
    packed = whole[:, 0] << 12 | whole[:, 1]
    octets = np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=1).astype(np.uint8)
    return base64.urlsafe_b64encode(octets.tobytes()).decode()


def decode(text: str) -> Array:
    """Return the points of :func:`encode`, shape (n, 2); DataError for anything else."""
    if not text:
        raise DataError("there are no points", "Draw at least one stroke, or load a file with two columns of numbers")
    try:
        octets = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if not octets or len(octets) % 3 or len(octets) > 3 * MAX_POINTS:
        raise DataError("the link's points do not read", "Draw them again, or load them from a file")
    three = np.frombuffer(octets, np.uint8).reshape(-1, 3).astype(np.uint32)
    packed = three[:, 0] << 16 | three[:, 1] << 8 | three[:, 2]
    return np.stack([packed >> 12, packed & LEVELS], axis=1) / LEVELS
