"""Weights as safetensors: saving, loading and checking them. Imports torch; the run store does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from core.errors import RunError
from core.runs.files import read_inside, reason, write_bytes
from core.runs.store import Run

Modules = Mapping[str, nn.Module]
MOST_BYTES = 1 << 30


def flatten(modules: Modules) -> dict[str, Tensor]:
    """Return all parameters and buffers by ``module.path.name``, on the CPU."""
    return {
        f"{name}.{key}": value.detach().cpu().contiguous()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }


def save_tensors(path: Path, tensors: Mapping[str, Tensor], *, half: bool = False) -> None:
    """Write tensors atomically; ``half`` stores floating-point ones in half precision."""
    ready = {k: v.half() if half and v.is_floating_point() else v.clone() for k, v in tensors.items()}
    write_bytes(path, to_bytes(ready))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; RunError naming the file if it is missing or corrupt."""
    try:
        return parse_tensors(read_inside(path.parent, path.name, MOST_BYTES))
    except FileNotFoundError:
        raise RunError(f"{path} is missing", "Pick another run or epoch, or train this one again") from None
    except (SafetensorError, ValueError, OSError, KeyError) as error:
        raise RunError(f"{path} is no readable safetensors file ({reason(error)})", "Train this run again") from None


def restore(modules: Modules, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy tensors into the modules; RunError if names or shapes do not fit, before anything is changed."""
    wanted = {f"{n}.{k}": v for n, m in modules.items() for k, v in m.state_dict().items()}
    if wanted.keys() != tensors.keys():
        odd = sorted(wanted.keys() ^ tensors.keys())
        raise RunError(f"{path}: the tensors {odd[:3]} do not match the run's config", "Train this run again")
    for key, value in wanted.items():
        if value.shape != tensors[key].shape:
            shapes = f"{tuple(tensors[key].shape)}, not {tuple(value.shape)}"
            raise RunError(f"{path}: {key} has shape {shapes}", "Train this run again")
    with torch.no_grad():
        for key, value in wanted.items():
            value.copy_(tensors[key])


def load_weights(run: Run, modules: Modules, epoch: int | None = None) -> None:
    """Load a run's final weights, or the snapshot of ``epoch``, into ``modules`` and set them to eval mode.

    Raises RunError if the file is missing, corrupt or does not fit.
    """
    path = run.path / ("weights.safetensors" if epoch is None else f"snapshots/{int(epoch)}.safetensors")
    restore(modules, load_tensors(path), path)
    for module in modules.values():
        module.eval()


def optimizer_state(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """Return a copy of an optimiser's state (moments, counts) by ``prefix`` + index of the parameter + name."""
    return {
        f"{prefix}{index}.{name}": torch.as_tensor(value).detach().cpu().clone(memory_format=torch.contiguous_format)
        for index, entries in optimizer.state_dict()["state"].items()
        for name, value in entries.items()
        if value is not None
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    tensors: Mapping[str, Tensor],
    prefix: str,
    rates: Sequence[Mapping[str, float]] | None = None,
) -> None:
    """Put an optimiser into a state that :func:`optimizer_state` returned under the same prefix.

    ``rates`` are numbers of its parameter groups, such as learning rates, to set too: one mapping a group.
    Raises ValueError, KeyError or TypeError if the state is of another optimiser.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(prefix):
            index, entry = key.removeprefix(prefix).split(".", 1)
            state.setdefault(int(index), {})[entry] = value.clone()
    groups = optimizer.state_dict()["param_groups"]
    for group, saved in zip(groups, [{}] * len(groups) if rates is None else rates, strict=True):
        group.update({key: float(value) for key, value in saved.items() if key in group})
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    for parameter, entries in optimizer.state.items():
        for key, value in entries.items():
            # Fused optimisers walk memory in order: a moment must lie as its parameter does (channels last, say).
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                entries[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
