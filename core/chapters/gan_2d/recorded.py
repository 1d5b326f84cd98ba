"""The way back to a recorded step of a 2-D GAN."""

from __future__ import annotations

from core.chapters.gan_2d.config import GAN2DConfig
from core.chapters.gan_2d.trainer import Trainer
from core.errors import RunError
from core.runs.store import Run
from core.training.weights import load_tensors

STATES = "states"


def state_before(run: Run, epoch: int) -> tuple[Trainer, int]:
    """Return a trainer at the last kept state at or before a recorded frame, and the steps from there to the frame.

    Taking those steps leads to exactly the weights the run had then (on the machine that trained it; elsewhere up to
    the rounding of matrix products, which training amplifies).

    Raises
    ------
    RunError
        If the run has not recorded that frame, or the state's file does not read.
    """
    config = run.config_as(GAN2DConfig)
    if not 0 <= epoch <= run.epochs_done:
        raise RunError(f"{run.id} has no frame {epoch}", f"Give a whole number from 0 to {run.epochs_done}")
    trainer = Trainer(config, [config.seed])
    kept = {int(file.stem) for file in (run.path / STATES).glob("*.safetensors") if file.stem.isdecimal()}
    start = max((one for one in kept if one <= epoch), default=0)
    if start:
        trainer.load_state(load_tensors(run.path / STATES / f"{start}.safetensors"))
    return trainer, (epoch - start) * config.steps_per_frame
