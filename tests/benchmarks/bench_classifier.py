"""How long the classifier trains until it reads 99 % of the test images. Prints figures, asserts none.

``python -m tests.benchmarks.bench_classifier`` or ``pytest -m benchmark -s tests/benchmarks/bench_classifier.py``

The recipe is the one of ``python -m core train classifier``. The clock runs from the start of training and stands still
while test accuracy is measured, which happens ten times an epoch here and never in the recipe. The floor is the
arithmetic alone: forward and backward of the same network on one ready batch, as often as the training stepped.
Beside the wall clock stands the processor time divided by the threads: what an idle machine would need at best.
"""

import tempfile
import time
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from core import settings
from core.data import availability, load
from core.families.classifiers.config import ClassifierConfig
from core.families.classifiers.task import MODEL, ClassifierTask, build, logits_of
from core.runs.recorder import Recorder
from core.runs.store import RunStore
from core.training.loop import fit
from core.training.session import new_run

pytestmark = pytest.mark.benchmark
GOAL = 0.99
LOOKS_PER_EPOCH = 10
MOST_EPOCHS = 3


class Timed(ClassifierTask):
    """The chapter's own task, with a clock that stands still while test accuracy is measured."""

    def __init__(self, config, stop_file):
        super().__init__(config, load(config.data, "train"), load(config.data, "validation"), "cpu")
        self.test, self.stop_file = load(config.data, "test"), stop_file
        self.every = max(1, self.steps_per_epoch // LOOKS_PER_EPOCH)
        self.steps, self.wall, self.cpu, self.accuracy = 0, 0.0, 0.0, 0.0
        self.begin()

    def begin(self):
        self._clocks = time.perf_counter(), time.process_time()

    def pause(self):
        self.wall += time.perf_counter() - self._clocks[0]
        self.cpu += time.process_time() - self._clocks[1]

    def step(self, batch, generator):
        terms = super().step(batch, generator)
        self.steps += 1
        if self.steps % self.every == 0:
            self.pause()
            right = logits_of(self.average, self.test.images).argmax(1) == self.test.labels
            self.accuracy = float(right.mean())
            print(f"  step {self.steps:4d}: {self.accuracy:.2%} of test images after {self.wall:5.1f} s", flush=True)
            if self.accuracy >= GOAL or self.steps >= MOST_EPOCHS * self.steps_per_epoch:
                self.stop_file.touch()
            self.begin()
        return terms


def floor_s(config, steps):
    """Return the seconds of forward and backward alone: the best of ten, times the number of steps."""
    torch.manual_seed(0)
    model = build(config)[MODEL].to(memory_format=torch.channels_last)
    x = torch.rand(config.batch_size, 1, 28, 28).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (config.batch_size,))
    times = []
    for _ in range(12):
        begun = time.perf_counter()
        F.cross_entropy(model(x), labels).backward()
        times.append(time.perf_counter() - begun)
    return min(times[2:]) * steps


def main():
    if not availability("mnist").ready:
        print(availability("mnist").message)
        return
    torch.set_num_threads(settings.threads())
    config = ClassifierConfig()
    with tempfile.TemporaryDirectory() as folder:
        run = new_run(RunStore(own=Path(folder)), "classifier", config, "timed")
        recorder = Recorder(run)
        task = Timed(config, run.path / "stop")
        task.begin()
        fit(task, recorder, epochs=config.epochs, seed=config.seed)
    threads = torch.get_num_threads()
    reached = f"{task.accuracy:.2%} of test images after {task.steps} steps of {config.batch_size} images"
    print(f"classifier, MNIST, {threads} threads: {reached}")
    print(f"  wall clock {task.wall:.1f} s; processor time / threads {task.cpu / threads:.1f} s (to reach: 15 s)")
    print(f"  floor, forward and backward alone: {floor_s(config, task.steps):.1f} s")


def test_time_to_99_percent():
    main()


if __name__ == "__main__":
    main()
