"""The one training loop. A chapter gives it a :class:`Task`; it gives back history, snapshots and grids.

All randomness of an epoch is derived from (seed, epoch) alone: of torch's generators, that is; a task that draws from
``random`` or ``numpy.random`` seeds them itself. A run resumed after epoch k therefore needs only weights and optimiser
state to continue bit for bit (on the CPU, with the same number of threads), and no generator state.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import RunError
from core.runs.files import write_json
from core.runs.recorder import START_OVER, Recorder
from core.training.weights import flatten, load_tensors, optimizer_state, restore, restore_optimizer, save_tensors

STREAMS = {"init": 0, "training": 1, "evaluation": 2, "demo": 3}
CHECK_EVERY = 25


def seeded(seed: int, stream: str, epoch: int = 0, device: str | torch.device = "cpu") -> torch.Generator:
    """Return a generator for one purpose (``init``, ``training``, ``evaluation``, ``demo``) and epoch.

    Distinct (seed, stream, epoch) give independent states (numpy's SeedSequence spreads them).
    """
    state = np.random.SeedSequence([seed, STREAMS[stream], epoch]).generate_state(1, np.uint64)[0]
    return torch.Generator(device=device).manual_seed(int(state) & (2**63 - 1))


@dataclass
class Task:
    """What one chapter gives the loop: its modules, its optimisers and five functions.

    ``modules`` is all state that training changes (averaged copies included); ``exported`` the part that is
    saved for readers, by default all of it. Losses are means per example.
    """

    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    exported: dict[str, nn.Module] = field(default_factory=dict)
    done: float = field(default=0.0, init=False)  # epochs done before this step, as a fraction: schedules read it

    def __post_init__(self) -> None:
        self.exported = self.exported or self.modules

    def begin(self, epoch: int) -> None:
        """Make what the task records by itself end at ``epoch``; history and modules do so already.

        Called before the first epoch (0 for a fresh start) and, after a stop or a divergence, for the last whole one.
        """

    def batches(self, epoch: int, generator: torch.Generator) -> Iterable[Any]:
        """Yield the batches of one epoch. Must have a length."""
        raise NotImplementedError

    def step(self, batch: Any, generator: torch.Generator) -> tuple[Mapping[str, Tensor], int]:
        """Update once; return the loss terms (detached means per example, one named ``loss``) and the batch size."""
        raise NotImplementedError

    def validate(self, epoch: int) -> Mapping[str, float]:
        """Return the epoch's held-out measures, full column names (``validation_loss``)."""
        return {}

    def grids(self, epoch: int) -> Mapping[str, np.ndarray]:
        """Return image grids by kind, uint8 (rows, columns, height, width[, 3]), for epochs that are shown."""
        return {}


class IndexBatches:
    """Random batches of indices: a permutation of ``n`` cut into pieces, without replacement."""

    def __init__(self, n: int, batch_size: int, generator: torch.Generator, *, drop_last: bool = False) -> None:
        self.order = torch.randperm(n, generator=generator)
        self.batch_size = batch_size
        self.n_batches = n // batch_size if drop_last and n >= batch_size else math.ceil(n / batch_size)

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Tensor]:
        for start in range(self.n_batches):
            yield self.order[start * self.batch_size : (start + 1) * self.batch_size]


def shown_epochs(epochs: int, wanted: Iterable[int] = (1, 2, 3, 5, 10, 15, 20, 25, 30)) -> list[int]:
    """Return the epochs at which snapshots are taken: the wanted ones, every 10th after, and the last."""
    return sorted({e for e in wanted if e <= epochs} | set(range(40, epochs, 10)) | {epochs})


def fit(
    task: Task,
    recorder: Recorder,
    *,
    epochs: int,
    seed: int,
    snapshot_epochs: Iterable[int] = (),
    grid_epochs: Iterable[int] | None = None,
) -> str:
    """Train until done, stopped or diverged; return that status and record everything on the way.

    A stop (the run's stop file, or KeyboardInterrupt) is heard at every step and gives up the epoch in progress: the
    run ends, and can be resumed, at the end of its last whole epoch. A training or validation loss that is NaN or
    infinite ends the run as ``diverged`` with a row at that step. Grids are written every epoch unless ``grid_epochs``
    says otherwise.
    """
    first = _resume(task, recorder)
    keep, shown = set(snapshot_epochs), None if grid_epochs is None else set(grid_epochs)
    status = "finished"
    try:
        for epoch in range(first + 1, epochs + 1):
            row, images, status = _epoch(task, recorder, epoch, epochs, seed, show=shown is None or epoch in shown)
            if status != "finished":
                break
            recorder.log(epoch, **row)
            for kind, grid in images.items():
                recorder.grid(epoch, grid, kind)
            if epoch in keep:
                save_tensors(recorder.path / f"snapshots/{epoch}.safetensors", flatten(task.exported), half=True)
            save_resume(task, recorder.path, epoch, recorder.rows[-1]["step"])
            recorder.update(epochs_done=epoch, elapsed_s=round(recorder.elapsed_s, 3))
            recorder.progress(epoch, epochs, force=True)
    except KeyboardInterrupt:
        status = "stopped"
    recorder.stopping = status == "stopped"
    if status != "finished":
        _resume(task, recorder)
    if status == "diverged":
        recorder.log(epoch, **row)
        recorder.update(diverged_at={"epoch": epoch, "step": recorder.rows[-1]["step"]})
    if recorder.epochs_done:
        save_tensors(recorder.path / "weights.safetensors", flatten(task.exported))
    return status


@contextmanager
def evaluating(modules: Mapping[str, nn.Module]) -> Iterator[None]:
    """Put modules into eval mode for a while, and back into the modes they were in."""
    were = {name: module.training for name, module in modules.items()}
    for module in modules.values():
        module.eval()
    try:
        yield
    finally:
        for name, module in modules.items():
            module.train(were[name])


def _epoch(
    task: Task, recorder: Recorder, epoch: int, epochs: int, seed: int, *, show: bool
) -> tuple[dict[str, Any], Mapping[str, np.ndarray], str]:
    """Train and validate one epoch; return its history row, its grids where it is shown, and how it ended."""
    images: Mapping[str, np.ndarray] = {}
    with torch.random.fork_rng(devices=[]):  # for layers that take no generator, such as dropout
        torch.manual_seed(seeded(seed, "training", epoch).initial_seed())
        row, status = _train(task, recorder, epoch, epochs, seed)
        if status == "finished":
            torch.manual_seed(seeded(seed, "evaluation", epoch).initial_seed())
            with evaluating(task.modules), torch.inference_mode():
                row.update(task.validate(epoch))
                images = task.grids(epoch) if show else {}
    if status == "finished" and not math.isfinite(row.get("validation_loss", 0.0)):
        status = "diverged"
    return row, images, status


def _train(task: Task, recorder: Recorder, epoch: int, epochs: int, seed: int) -> tuple[dict[str, Any], str]:
    """Take the steps of one epoch; return the step count with the means per example, and how it ended."""
    generator = seeded(seed, "training", epoch)
    batches = task.batches(epoch, generator)
    n_batches = len(batches)  # type: ignore[arg-type]
    sums: dict[str, Tensor] = {}
    examples = 0
    step = int(recorder.rows[-1]["step"]) if recorder.rows else 0
    for module in task.modules.values():
        module.train()
    for index, batch in enumerate(batches, start=1):
        task.done = epoch - 1 + (index - 1) / n_batches
        terms, size = task.step(batch, generator)
        step += 1
        examples += size
        for name, value in terms.items():
            sums[name] = sums.get(name, 0) + value * size
        # On a GPU reading the loss waits for it, so it is looked at now and then; on the CPU it is free.
        look = terms["loss"].device.type == "cpu" or index % CHECK_EVERY == 0 or index == n_batches
        if look and not math.isfinite(float(sums["loss"])):
            return {"step": step, **{f"train_{name}": float(value) for name, value in terms.items()}}, "diverged"
        recorder.progress(epoch - 1 + index / n_batches, epochs)
        if recorder.stop_requested():
            return {}, "stopped"
    return {"step": step, **{f"train_{name}": float(value) / examples for name, value in sums.items()}}, "finished"


def save_resume(task: Task, path: Path, epoch: int, step: float) -> None:
    """Write what continuing after ``epoch`` needs: all modules in full precision and the optimisers' state.

    The tensors are written under a name of their epoch before ``resume.json`` points to them, so a kill
    between the two leaves the previous pair whole. What schedules have made of the optimisers' rates is kept too.
    """
    tensors = {f"module.{key}": value for key, value in flatten(task.modules).items()}
    for name, optimizer in task.optimizers.items():
        tensors |= optimizer_state(optimizer, f"optimizer.{name}.")
    rates = {
        name: [
            {k: v for k, v in group.items() if isinstance(v, float) and math.isfinite(v)}
            for group in optimizer.param_groups
        ]
        for name, optimizer in task.optimizers.items()
    }
    file = path / f"resume-{epoch}.safetensors"
    save_tensors(file, tensors)
    write_json(path / "resume.json", {"epoch": epoch, "step": int(step), "rates": rates})
    for old in path.glob("resume-*.safetensors"):
        if old != file:
            old.unlink(missing_ok=True)


def _resume(task: Task, recorder: Recorder) -> int:
    """Load the last resume point into the task and the recorder; return its epoch, 0 where there is none."""
    epoch = _load_resume(task, recorder)
    task.begin(epoch)
    return epoch


def _load_resume(task: Task, recorder: Recorder) -> int:
    point = recorder.read_resume()
    if point is None:
        recorder.begin(0, 0)
        return 0
    epoch = int(point["epoch"])
    recorder.begin(epoch, point["step"])
    path = recorder.path / f"resume-{epoch}.safetensors"
    tensors = load_tensors(path)
    modules = {k.removeprefix("module."): v for k, v in tensors.items() if k.startswith("module.")}
    restore(task.modules, modules, path)
    for name, optimizer in task.optimizers.items():
        try:
            restore_optimizer(optimizer, tensors, f"optimizer.{name}.", point["rates"][name])
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise RunError(f"{path}: the state of optimiser {name!r} does not fit ({error})", START_OVER) from None
    return epoch
