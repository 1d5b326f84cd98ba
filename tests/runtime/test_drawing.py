"""A drawing in Python and in the browser: the same strokes give the same pixels."""

import math

import numpy as np
import pytest

from core.data.drawing import MOST_POINTS, MOST_STROKES, Stroke, parse_strokes, rasterise
from core.data.images import from_drawing
from core.errors import DataError
from tests.runtime.node import run_js


def wandering(seed):
    """Strokes as of a hand: one to four, smooth random walks, any brush; some leave the canvas."""
    rng = np.random.default_rng(seed)
    strokes = []
    for _ in range(rng.integers(1, 5)):
        steps = np.cumsum(rng.normal(0, 3, (rng.integers(1, 60), 2)), axis=0)
        points = rng.uniform(20, 260, 2) + np.cumsum(steps, axis=0)
        strokes.append({"width": float(rng.uniform(8, 44)), "points": points.clip(-100, 380).tolist()})
    return strokes


SYMMETRIC = {
    "a bar": [{"width": 22, "points": [[140, 40], [140, 240]]}],
    "a dot": [{"width": 22, "points": [[140, 140]]}],
    "a dot off the grid": [{"width": 9, "points": [[33.3, 7.7]]}],
    "a cross": [{"width": 20, "points": [[40, 140], [240, 140]]}, {"width": 20, "points": [[140, 40], [140, 240]]}],
    "twice the same point": [{"width": 15, "points": [[100, 100], [100, 100], [101, 100]]}],
    "half out": [{"width": 40, "points": [[0, 0], [280, 280]]}],
}
DRAWINGS = {**SYMMETRIC, **{f"hand {seed}": wandering(seed) for seed in range(40)}}


def test_browser_and_python_draw_the_same_pixels():
    code = """
    const { rasterise, fromDrawing } = await load("drawing")
    return given.map(strokes => [280, 97].map(size => {
      const ink = rasterise(strokes, size)
      return [[...ink], [...fromDrawing(ink)]]
    }))
    """
    found = run_js(code, list(DRAWINGS.values()))
    for (name, said), sizes in zip(DRAWINGS.items(), found, strict=True):
        for size, (ink, digit) in zip((280, 97), sizes, strict=True):
            mine = rasterise(parse_strokes(said), size)
            np.testing.assert_array_equal(np.reshape(ink, (size, size)), mine, err_msg=name)
            apart = np.abs(np.reshape(digit, (28, 28)) - from_drawing(mine).astype(int)).max()
            assert apart <= 1, f"{name}: {apart} grey levels"


@pytest.mark.parametrize("shape", [(28, 28), (7, 3), (20, 20), (90, 31), (1, 50), (300, 200)])
def test_browser_scales_any_ink_as_python_does(shape):
    ink = np.random.default_rng(1).integers(0, 256, (5, *shape), dtype=np.uint8)
    ink[0] //= 200
    ink[1, 0] = 255
    code = """
    const { fromDrawing } = await load("drawing")
    const digits = given.ink.map(one => fromDrawing(Uint8Array.from(one), given.height))
    return digits.map(digit => digit && [...digit])
    """
    found = run_js(code, {"ink": ink.reshape(5, -1).tolist(), "height": shape[0]})
    assert found[0] is None  # too faint: Python raises
    for one, mine in zip(found[1:], ink[1:], strict=True):
        assert np.abs(np.reshape(one, (28, 28)) - from_drawing(mine).astype(int)).max() <= 1


def test_no_strokes_are_no_digit():
    assert rasterise(()).max() == 0
    assert run_js('const { digitOf } = await load("drawing"); return digitOf([])') is None


@pytest.mark.parametrize("size", [140, 280])
def test_the_ink_of_a_dot_is_the_area_of_a_circle(size):
    ink = rasterise([Stroke(60.0, ((139.3, 141.8),))], size).sum() / 255
    assert ink == pytest.approx(math.pi * (30 * size / 280) ** 2, rel=2e-3)


def test_where_strokes_cross_ink_does_not_add_up():
    stroke = Stroke(20.0, ((50.0, 50.5), (200.0, 60.2)))
    np.testing.assert_array_equal(rasterise([stroke, stroke]), rasterise([stroke]))


def test_strokes_that_arrive_are_read():
    said = [{"width": 22, "points": [[1, 2.5], [3, 4]]}, {"width": 8.5, "points": [[0, 280]]}]
    assert parse_strokes(said) == (Stroke(22.0, ((1.0, 2.5), (3.0, 4.0))), Stroke(8.5, ((0.0, 280.0),)))


DOT = [[1, 1]]


@pytest.mark.parametrize(
    "said",
    [
        None,
        "strokes",
        {"width": 22, "points": DOT},
        [None],
        [{"width": 22}],
        [{"width": 22, "points": []}],
        [{"width": 22, "points": "12"}],
        [{"width": 22, "points": [[1, 1, 1]]}],
        [{"width": 22, "points": ["12"]}],
        [{"width": 22, "points": [[1, math.nan]]}],
        [{"width": 22, "points": [[1, math.inf]]}],
        [{"width": 22, "points": [[1, 1e9]]}],
        [{"width": 22, "points": [[True, 1]]}],
        [{"width": -1, "points": DOT}],
        [{"width": 1e4, "points": DOT}],
        [{"width": "22", "points": DOT}],
        [{"points": DOT}],
        [{"width": 22, "points": DOT}] * (MOST_STROKES + 1),
        [{"width": 22, "points": DOT * (MOST_POINTS + 1)}],
        [{"width": 22, "points": DOT * (MOST_POINTS // 2 + 1)}] * 2,
    ],
)
def test_what_is_no_drawing_is_refused_with_a_remedy(said):
    with pytest.raises(DataError, match="draw again"):
        parse_strokes(said)
