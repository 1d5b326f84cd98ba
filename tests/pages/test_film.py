"""What the film and the epoch bar get, and what is believed of what the bar says."""

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.errors import AtlasError, DataError
from core.runs.grids import compose, stack
from pages._ui.controls.epoch_bar import rest_of
from pages._ui.show import film, grids, packing, transport
from pages._ui.show.film import Strip, Track
from tests.pages.screen import unpack

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


def row(seed, columns=10):
    return np.random.default_rng(seed).integers(0, 256, (columns, 28, 28)).astype(np.uint8)


def png(seed, columns=10):
    return grids.png(grids.to_image(compose(row(seed, columns)[None])))


def track(**more):
    return Track([film.still(row(0), "x"), Strip({1: png(1), 3: png(3), 2: png(2)}, "x̂")], "Pictures", **more)


class TestBundle:
    def test_holds_the_files_as_they_are_in_the_heads_order(self):
        head, parts = unpack(film.bundle([track()], 4))
        (one,) = head["tracks"]
        assert head["scale"] == 4
        assert (one["columns"], one["rows"], one["height"]) == (10, 1, 28)
        assert [[frame[0] for frame in strip["frames"]] for strip in one["strips"]] == [[0], [1, 2, 3]]
        assert [strip["fixed"] for strip in one["strips"]] == [True, False]
        assert parts[1:] == [png(1), png(2), png(3)]

    def test_a_frame_that_changed_is_told_by_its_checksum(self):
        heads = [unpack(film.bundle([Track([Strip({1: png(seed)})], "x")]))[0] for seed in (1, 2)]
        marks = [head["tracks"][0]["strips"][0]["frames"][0][1:] for head in heads]
        assert marks[0] != marks[1]

    @given(st.lists(st.binary(max_size=20), max_size=4), st.text(max_size=20))
    def test_every_part_begins_at_a_multiple_of_eight_bytes(self, parts, word):
        data = packing.pack({"word": word}, parts)
        length = int.from_bytes(data[:4], "little")
        assert json.loads(data[4 : 4 + length]) == {"word": word}
        at = -(-(4 + length) // 8) * 8
        for part in parts:
            assert data[at : at + len(part)] == part
            at += -(-len(part) // 8) * 8
        assert at == len(data)

    @pytest.mark.parametrize("frames", [{1: png(1), 2: png(2, 9)}, {1: grids.png(Image.new("L", (100, 28)))}])
    def test_pictures_that_make_no_film_are_refused(self, frames):
        with pytest.raises(DataError, match="size|grid"):
            film.bundle([Track([Strip(frames)], "x")])

    def test_a_square_grid_has_rows(self):
        grid = compose(np.zeros((4, 4, 28, 28), np.uint8))
        head, _ = unpack(film.bundle([Track([Strip({1: grids.png(grids.to_image(grid))})], "x", beside=True)]))
        assert (head["tracks"][0]["columns"], head["tracks"][0]["rows"]) == (4, 4)
        assert head["tracks"][0]["beside"]


class TestSaved:
    @pytest.mark.parametrize(("epoch", "shown"), [(0, 1), (1, 1), (2, 2), (3, 3), (9, 3)])
    def test_the_sheet_is_the_last_frame_at_or_before_the_epoch(self, epoch, shown):
        expected = stack([compose(row(seed)[None]) for seed in (0, shown)])
        np.testing.assert_array_equal(np.asarray(film.sheet([track()], epoch)), expected)

    def test_tracks_of_different_widths_stand_below_each_other(self):
        wide, narrow = Track([Strip({1: png(1)})], "x"), Track([Strip({1: png(2, 4)})], "y")
        pixels = np.asarray(film.sheet([wide, narrow], 1))
        assert pixels.shape == (58, 298)
        np.testing.assert_array_equal(pixels[30:, :118], compose(row(2, 4)[None]))

    def test_the_animation_has_every_frame_pixel_for_pixel(self):
        with Image.open(io.BytesIO(film.animation([track()], 2))) as moving:
            assert moving.n_frames == 3
            for index in range(3):
                moving.seek(index)
                pixels = np.asarray(moving.convert("L"))[::2, ::2]
                np.testing.assert_array_equal(pixels, np.asarray(film.sheet([track()], index + 1)))


class TestRuns:
    def test_a_strip_holds_the_runs_files(self, tiny_run):
        run = tiny_run(epochs=2)
        strip = film.strip(run, "samples", "draws")
        assert strip.frames == {epoch: (run.path / "samples" / f"{epoch}.png").read_bytes() for epoch in (1, 2)}
        assert film.strip(run, "nothing") is None

    def test_a_picture_of_another_size_is_named(self, tiny_run):
        run = tiny_run(epochs=2)
        Image.new("L", (58, 58)).save(run.path / "samples" / "2.png")
        with pytest.raises(AtlasError, match=r"samples/2\.png"):
            film.strip(run, "samples")


class TestBar:
    @given(anything, anything)
    def test_rest_of_any_kind(self, state, rest):
        for said in (state, {"rest": rest}):
            epoch, spoken = rest_of(said, [1, 2])
            assert epoch in (None, 1, 2)
            assert 0 <= spoken < 1 << 31

    def test_rest(self):
        assert rest_of({"rest": {"epoch": 2, "said": 5}}, [1, 2]) == (2, 5)
        assert rest_of({"rest": {"epoch": 3, "said": 5}}, [1, 2]) == (None, 5)
        assert rest_of({"rest": {"epoch": True, "said": -1}}, [1, 2]) == (None, 0)

    @pytest.mark.parametrize(("places", "speed"), [(3, 2), (30, 5), (100, 20), (190, 30), (1000, 60)])
    def test_a_film_plays_in_about_six_seconds(self, places, speed):
        assert transport.speed_for(places) == speed

    def test_the_bar_names_its_unit(self):
        text = transport.html("epoch")
        assert 'aria-label="Next epoch"' in text
        assert 'aria-label="Epoch"' in text
        assert "{" not in text
