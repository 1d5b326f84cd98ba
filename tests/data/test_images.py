"""What models see, and hand-drawn digits in MNIST's format."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data import load
from core.data.images import CENTRE, as_tensor, binarise, from_drawing, preprocess
from core.errors import DataError

EVERY_VALUE = np.arange(784, dtype=np.uint8).reshape(1, 28, 28)


def centre_of_mass(image: np.ndarray) -> tuple[float, float]:
    ink = image.astype(float)
    index = np.arange(28)
    return float(ink.sum(1) @ index / ink.sum()), float(ink.sum(0) @ index / ink.sum())


def extent(image: np.ndarray) -> tuple[int, int]:
    return tuple(int(np.ptp(np.flatnonzero(image.any(axis=axis))) + 1) for axis in (1, 0))  # type: ignore[return-value]


# --- preprocess


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28), (1, 1, 28, 28)])
def test_preprocess_is_value_over_255(shape: tuple[int, ...]) -> None:
    seen = preprocess(torch.from_numpy(EVERY_VALUE.reshape(shape)))
    assert (seen.shape, seen.dtype) == ((1, 1, 28, 28), torch.float32)
    expected = torch.arange(784, dtype=torch.float64).remainder(256) / 255
    torch.testing.assert_close(seen.flatten().double(), expected, rtol=0, atol=2**-24)
    assert (float(seen.min()), float(seen.max())) == (0.0, 1.0)


def test_preprocess_leaves_its_input_alone() -> None:
    images = torch.from_numpy(EVERY_VALUE.copy())
    preprocess(images).zero_()
    assert torch.equal(images, torch.from_numpy(EVERY_VALUE))


def test_preprocess_of_no_images_is_empty() -> None:
    assert preprocess(torch.zeros(0, 28, 28, dtype=torch.uint8)).shape == (0, 1, 28, 28)


def test_preprocessing_twice_is_refused() -> None:
    once = preprocess(torch.from_numpy(EVERY_VALUE))
    with pytest.raises(DataError, match="type float32, not uint8"):
        preprocess(once)


@pytest.mark.parametrize("shape", [(), (28,), (784,), (3, 784), (28, 27), (2, 3, 28, 28), (1, 1, 1, 28, 28)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"images have shape \("):
        preprocess(torch.zeros(shape, dtype=torch.uint8))


# --- tensors on shared memory


def test_tensor_shares_the_split_s_memory_without_a_warning() -> None:
    split = load("mnist-5k", "validation")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images, labels = as_tensor(split.images), as_tensor(split.labels)
    assert images.data_ptr() == split.images.ctypes.data
    assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)
    assert np.array_equal(images.numpy(), split.images)
    assert not split.images.flags.writeable


def test_tensor_of_read_only_memory_is_a_copy() -> None:
    frozen = np.frombuffer(bytes(range(8)), dtype=np.uint8)
    tensor = as_tensor(frozen)
    tensor[0] = 99
    assert frozen.tolist() == list(range(8))


# --- binarisation


def test_binarised_pixels_are_on_as_often_as_they_are_bright() -> None:
    copies = 5_000
    images = torch.from_numpy(EVERY_VALUE).expand(200, 28, 28)
    generator = torch.Generator().manual_seed(0)
    share = sum(binarise(images, generator).sum(0) for _ in range(copies // 200)).flatten().double() / copies
    p = torch.arange(784).remainder(256).double() / 255
    error = (p * (1 - p) / copies).sqrt()
    # 6 standard errors for each of 784 pixels: a false alarm in fewer than one of a thousand seeds
    assert bool(((share - p).abs() <= 6 * error).all())


def test_binarised_images_are_zeros_and_ones_and_their_ends_certain() -> None:
    images = torch.from_numpy(EVERY_VALUE)
    drawn = binarise(images, torch.Generator().manual_seed(1))
    assert (drawn.shape, drawn.dtype) == ((1, 1, 28, 28), torch.float32)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    flat = images.flatten()
    assert drawn.flatten()[flat == 0].max() == 0
    assert drawn.flatten()[flat == 255].min() == 1


def test_binarisation_follows_its_generator_alone() -> None:
    images = torch.from_numpy(EVERY_VALUE)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one, two = (binarise(images, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, binarise(images, torch.Generator().manual_seed(6)))
    assert torch.equal(before, torch.get_rng_state())


# --- drawings


def test_real_digits_come_back_unchanged() -> None:
    # MNIST's own digits went through this normalisation. A few whose faint rim was lost in rounding differ.
    images = load("mnist-5k", "all").images
    same = sum(np.array_equal(from_drawing(image), image) for image in images)
    assert same >= 0.99 * len(images)


@pytest.mark.parametrize("scale", [2, 7])
@pytest.mark.parametrize("place", [(0, 0), (31, 90)])
def test_size_and_place_on_the_canvas_do_not_matter(scale: int, place: tuple[int, int]) -> None:
    for digit in load("mnist-5k", "train").images[200::400]:
        canvas = np.zeros((330, 400), dtype=np.uint8)
        large = np.kron(digit, np.ones((scale, scale), dtype=np.uint8))
        canvas[place[0] : place[0] + len(large), place[1] : place[1] + len(large)] = large
        assert np.array_equal(from_drawing(canvas), digit)


def stroke() -> np.ndarray:
    canvas = np.zeros((280, 280), dtype=np.uint8)
    canvas[40:240, 120:150] = 255
    canvas[200:240, 120:210] = 255
    return canvas


def test_every_kind_of_canvas_gives_the_same_digit() -> None:
    grey = stroke()
    expected = from_drawing(grey)
    full = np.full_like(grey, 255)
    kinds = {
        "bool": grey > 0,
        "float": grey.astype(np.float64),
        "int64": grey.astype(np.int64),
        "rgb": np.stack([grey] * 3, axis=-1),
        "white on opaque black": np.stack([grey, grey, grey, full], axis=-1),
        "white on transparent": np.stack([full, full, full, grey], axis=-1),
        "black on transparent": np.stack([0 * grey, 0 * grey, 0 * grey, grey], axis=-1),
    }
    assert [name for name, canvas in kinds.items() if not np.array_equal(from_drawing(canvas), expected)] == []


def test_drawing_is_ready_for_preprocess() -> None:
    digit = from_drawing(stroke())
    assert (digit.shape, digit.dtype) == ((28, 28), np.uint8)
    assert preprocess(torch.from_numpy(digit)).shape == (1, 1, 28, 28)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32 - 1))
def test_any_ink_fits_the_box_and_is_centred(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    canvas = np.where(rng.random((height, width)) < 0.3, 255, 0)
    canvas[rng.integers(height), rng.integers(width)] = 255
    digit = from_drawing(canvas)
    assert 1 <= max(extent(digit)) <= 20
    for centre, size in zip(centre_of_mass(digit), extent(digit), strict=True):
        # half a pixel from rounding the shift, and a little from rounding the values
        assert abs(centre - CENTRE) <= 0.55 or size > 14


def test_shift_stops_at_the_edge() -> None:
    canvas = np.zeros((40, 40), dtype=np.uint8)
    canvas[:, :2] = 255
    canvas[0, :] = 64
    digit = from_drawing(canvas)
    assert extent(digit) == (20, 20)
    assert digit[:, 0].sum() == 0  # the heavy side is at column 8, where the light one meets the edge
    assert digit[:, 8].max() > 200
    assert digit[:, 27].max() > 0


def test_shape_is_kept() -> None:
    canvas = np.zeros((100, 300), dtype=np.uint8)
    canvas[20:60, 50:250] = 255
    assert extent(from_drawing(canvas)) == (4, 20)


@pytest.mark.parametrize("shape", [(600, 1), (1, 600), (1, 1)])
def test_thin_strokes_and_dots_do_not_vanish(shape: tuple[int, int]) -> None:
    canvas = np.zeros((700, 700), dtype=np.uint8)
    canvas[50 : 50 + shape[0], 30 : 30 + shape[1]] = 255
    digit = from_drawing(canvas)
    assert digit.max() == 255
    assert max(extent(digit)) == 20


def test_a_canvas_full_of_ink_is_a_square() -> None:
    digit = from_drawing(np.full((50, 50, 4), 255, dtype=np.uint8))
    assert extent(digit) == (20, 20)
    assert digit.sum() == 20 * 20 * 255


def test_input_is_untouched() -> None:
    canvas = stroke()
    before = canvas.copy()
    canvas.flags.writeable = False
    from_drawing(canvas)
    assert np.array_equal(canvas, before)


BLANK = {
    "black": np.zeros((28, 28), dtype=np.uint8),
    "transparent": np.zeros((50, 60, 4), dtype=np.uint8),
    "white but transparent": np.dstack([np.full((9, 9, 3), 255), np.zeros((9, 9))]).astype(np.uint8),
    "opaque black": np.dstack([np.zeros((9, 9, 3)), np.full((9, 9), 255)]).astype(np.uint8),
    "too faint": np.full((28, 28), 31, dtype=np.uint8),
    "already 0 to 1": np.eye(28),
}


@pytest.mark.parametrize("canvas", BLANK.values(), ids=BLANK)
def test_blank_canvas(canvas: np.ndarray) -> None:
    with pytest.raises(DataError, match="nothing on the canvas") as caught:
        from_drawing(canvas)
    assert caught.value.remedy.startswith("Draw a digit")


HOSTILE = {
    "nan": (np.full((28, 28), np.nan), "between 0 and 255"),
    "one infinity": (np.diag([np.inf] + [0.0] * 27), "between 0 and 255"),
    "negative": (np.full((28, 28), -1), "between 0 and 255"),
    "too large": (np.full((28, 28), 256), "between 0 and 255"),
    "far too large": (np.full((28, 28), 1e300), "between 0 and 255"),
    "hidden nan": (np.dstack([np.full((9, 9, 3), np.nan), np.eye(9) * 255]), "between 0 and 255"),
    "number": (np.array(3.0), "shape"),
    "row": (np.zeros(784), "shape"),
    "no pixels": (np.zeros((0, 28)), "shape"),
    "batch": (np.zeros((1, 28, 28, 1)), "shape"),
    "two channels": (np.zeros((28, 28, 2)), "shape"),
    "text": (np.full((28, 28), "ink"), "type"),
    "complex": (np.zeros((28, 28), dtype=complex), "type"),
    "objects": (np.full((28, 28), None), "type"),
}


@pytest.mark.parametrize(("canvas", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_canvas(canvas: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=f"the drawing (has|holds) .*{message}") as caught:
        from_drawing(canvas)
    assert caught.value.remedy.startswith("Pass ")
