"""Every file of every kind of run, damaged, and its page opened: what does not read is named, and the rest lives."""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.registry import EXPERIMENTS
from core.runs.store import Run, RunStore
from core.settings import ROOT
from core.training.session import mark
from tests import planted_classifier, planted_gan, planted_vae, tiny_probability
from tests.pages.screen import texts

BUDGET_S = 60.0  # of the processor, for all pages of a chapter together
PLANTERS: dict[str, Callable[[RunStore], Run]] = {
    "classifier": planted_classifier.plant,
    "vae": planted_vae.plant,
    "latent_vae": lambda store: tiny_probability.trained(store, experiment="latent_vae"),
    "log_probability": tiny_probability.trained,
    "gan_2d": planted_gan.plant,
}


def without_a_column(data: bytes) -> bytes:
    frame = pd.read_csv(io.BytesIO(data))
    return frame.drop(columns=frame.columns[-1]).to_csv(index=False).encode()


def without_rows(data: bytes) -> bytes:
    return data.split(b"\n")[0] + b"\n"


def text_for_numbers(data: bytes) -> bytes:
    frame = pd.read_csv(io.BytesIO(data))
    numbers = frame.columns[[kind.kind in "if" for kind in frame.dtypes]]
    return frame.astype({numbers[-1]: object}).assign(**{numbers[-1]: "low"}).to_csv(index=False).encode()


def too_large(data: bytes) -> bytes:
    frame = pd.read_csv(io.BytesIO(data))
    numbers = frame.columns[[kind.kind in "if" for kind in frame.dtypes]]
    return frame.assign(**{numbers[0]: 10**15}).to_csv(index=False).encode()


def of_another_size(data: bytes) -> bytes:
    file = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.resize((image.width + 7, image.height + 3)).save(file, format="PNG")
    return file.getvalue()


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2 + 1]


def no_such_format(data: bytes) -> bytes:
    return b"\xff\xfe\x00" + data[:40]


KINDS: dict[str, tuple[Callable[[bytes], bytes], ...]] = {
    ".csv": (without_a_column, without_rows, text_for_numbers, too_large, no_such_format),
    ".png": (of_another_size, cut, no_such_format),
    ".safetensors": (cut, no_such_format),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A whole run of each chapter, its files' digests forgotten, as a run of an older version or from elsewhere is."""
    folder = tmp_path_factory.mktemp("planted")
    store = RunStore(folder / "shipped", folder / "runs")
    return {name: mark(plant(store), files={}).path for name, plant in PLANTERS.items()}


def damages(folder: Path) -> list[tuple[str, Callable[[bytes], bytes]]]:
    """Each file of a run with one damage; the kinds take turns, so that each meets many files."""
    found = []
    last = {file.parent for file in folder.rglob("*") if file.is_file()}
    for place in sorted(last):
        files = sorted(file for file in place.iterdir() if file.suffix in KINDS)
        # of pictures and weights by epoch, the last one: it is what a page opens with
        for file in files if place.name == "tables" or place == folder else files[-1:]:
            kinds = KINDS[file.suffix]
            found.append((file.relative_to(folder).as_posix(), kinds[len(found) % len(kinds)]))
    return found


def open_page(name: str, *, probe: bool = False) -> AppTest:
    """Open a chapter's page with nothing remembered; with its probe, which is what reads weights, if that is asked."""
    app = AppTest.from_file(ROOT / "pages" / f"{name}.py", default_timeout=60)
    if probe:
        app.query_params["probe"] = app.query_params["lab"] = "true"
    st.cache_data.clear()
    st.cache_resource.clear()
    return app.run()


def test_every_chapter_is_damaged():
    assert PLANTERS.keys() == EXPERIMENTS.keys()


@pytest.mark.parametrize("name", PLANTERS)
def test_a_damaged_file_is_named_and_the_rest_of_its_page_lives(
    name: str, planted: dict[str, Path], alone: Path, monkeypatch: pytest.MonkeyPatch
):
    begun, faults, read = time.process_time(), [], set[str]()
    plain = Run._read
    monkeypatch.setattr(Run, "_read", lambda run, name, most: (read.add(name), plain(run, name, most))[1])
    whole = alone / name / "tiny"
    for file, damage in damages(planted[name]):
        shutil.rmtree(whole, ignore_errors=True)
        shutil.copytree(planted[name], whole)
        data = (whole / file).read_bytes()
        (whole / file).write_bytes(damage(data))
        read.clear()
        app = open_page(name, probe=file.endswith(".safetensors"))
        said = texts(app).replace("\\", "")  # text from runs is escaped
        about = f"{file} {damage.__name__}"
        faults += [f"{about}: {one.message}" for one in app.exception]
        if "How it works" not in said:
            faults.append(f"{about}: the page breaks off")
        if file in read and file not in said and damage is not of_another_size:
            faults.append(f"{about}: it is not named")
    assert faults == []
    assert time.process_time() - begun < BUDGET_S


ODD = {
    "splits-list": {"data": {"name": "mnist-5k", "splits": []}},
    "splits-null": {"data": {"name": "mnist-5k", "splits": None}},
    "splits-text": {"data": {"name": "mnist-5k", "splits": "train"}},
    "size-text": {"data": {"name": "mnist-5k", "splits": {"train": {"size": "4,000"}}}},
    "year-1": {"created": "0001-01-01T00:00:00+00:00"},
    "year-9999": {"created": "9999-12-31T23:59:59-14:00"},
    "training-text": {"training_s": "a minute"},
    "elapsed-text": {"elapsed_s": "a minute"},
    "epochs-huge": {"epochs_done": 10**9},
    "metric-text": {"metrics": {"loss": "low"}},
    "reason-list": {"reason": ["why"]},
    "device-null": {"device": None},
}


@pytest.mark.parametrize("name", PLANTERS)
def test_an_odd_record_is_an_unreadable_run_and_the_page_shows_the_others(
    name: str, planted: dict[str, Path], alone: Path
):
    shutil.copytree(planted[name], alone / name / "tiny")
    for odd, values in ODD.items():
        shutil.copytree(planted[name], alone / name / odd)
        record = alone / name / odd / "run.json"
        record.write_text(json.dumps({**json.loads(record.read_text()), **values}))
    app = open_page(name)
    said = texts(app).replace("\\", "")
    assert [one.message for one in app.exception] == []
    assert f"{len(ODD)} runs do not read" in said
    assert all(f"own/{name}/{odd}" in said for odd in ODD)
    assert "How it works" in said
