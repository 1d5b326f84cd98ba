"""Weights: exact round trips, and refusals that change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.errors import RunError
from core.runs.store import RunStore
from core.training.weights import flatten, load_tensors, load_weights, restore, save_tensors
from tests.tools import fresh


def modules(seed: int = 0, width: int = 3) -> dict[str, nn.Module]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return {"body": nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width)), "head": nn.Linear(width, 1)}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) and a[key].dtype == b[key].dtype for key in a)


def test_round_trip_to_the_bit(tmp_path: Path):
    odd = torch.tensor([0.1, -0.0, 1e-45, float("inf"), float("nan")])
    tensors = {**flatten(modules()), "odd": odd, "empty": torch.empty(0, 3), "scalar": torch.tensor(7)}
    save_tensors(tmp_path / "w.safetensors", tensors)
    read = load_tensors(tmp_path / "w.safetensors")
    assert read.keys() == tensors.keys()
    assert all(read[key].numpy().tobytes() == tensors[key].numpy().tobytes() for key in tensors)
    assert read["scalar"].shape == ()


def test_half_precision_halves_floats_alone(tmp_path: Path):
    save_tensors(tmp_path / "w.safetensors", flatten(modules()), half=True)
    kinds = {key: value.dtype for key, value in load_tensors(tmp_path / "w.safetensors").items()}
    assert kinds.pop("body.1.num_batches_tracked") == torch.int64
    assert set(kinds.values()) == {torch.float16}


def test_saving_does_not_share_memory_with_the_model(tmp_path: Path):
    """Tied weights, which safetensors refuses as they are, are stored twice."""
    layer = nn.Linear(2, 2)
    tied = {"a": layer, "b": layer}
    save_tensors(tmp_path / "w.safetensors", flatten(tied))
    assert sorted(load_tensors(tmp_path / "w.safetensors")) == ["a.bias", "a.weight", "b.bias", "b.weight"]


def test_final_weights_and_snapshots_load_into_eval_mode(store: RunStore):
    run = fresh(store)
    final, early = modules(1), modules(2)
    save_tensors(run.path / "weights.safetensors", flatten(final))
    save_tensors(run.path / "snapshots" / "3.safetensors", flatten(early), half=True)
    loaded = modules(3)
    load_weights(run, loaded)
    assert same(flatten(loaded), flatten(final))
    assert not any(module.training for module in loaded.values())
    load_weights(run, loaded, epoch=3)
    for key, value in flatten(loaded).items():
        assert torch.allclose(value.double(), flatten(early)[key].double(), rtol=2**-10, atol=1e-7)
    with pytest.raises(RunError, match=r"snapshots/4\.safetensors is missing"):
        load_weights(run, loaded, epoch=4)


@pytest.mark.parametrize("kind", ["wider", "fewer", "more"])
def test_weights_of_another_model_change_nothing(tmp_path: Path, kind: str):
    mine = modules()
    other = {"wider": modules(width=4), "fewer": {"body": mine["body"]}, "more": {**mine, "more": nn.Linear(1, 1)}}[
        kind
    ]
    before = {key: value.clone() for key, value in flatten(mine).items()}
    with pytest.raises(RunError, match="Train this run again"):
        restore(mine, flatten(other), tmp_path / "w.safetensors")
    assert same(flatten(mine), before)


@settings(max_examples=60)
@given(data=st.data())
def test_any_damage_is_a_run_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    file = tmp_path_factory.mktemp("w") / "weights.safetensors"
    save_tensors(file, {"a": torch.arange(6.0).view(2, 3)})
    whole = file.read_bytes()
    place = data.draw(st.integers(0, len(whole)))
    cut = data.draw(st.integers(0, 8))
    file.write_bytes(whole[:place] + data.draw(st.binary(max_size=8)) + whole[place + cut :])
    said = str(file)
    try:
        assert isinstance(load_tensors(file), dict)
    except RunError as error:
        said = error.problem
    assert str(file) in said


def test_a_file_larger_than_memory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.training.weights.MOST_BYTES", 100)
    save_tensors(tmp_path / "w.safetensors", flatten(modules()))
    with pytest.raises(RunError, match="it is larger than 100 bytes"):
        load_tensors(tmp_path / "w.safetensors")
