"""Publishing: a finished run of one's own becomes a run that ships.

What ships is small and agrees with itself: weights and snapshots are stored in half precision, and the metrics and
tables are those of the weights that are stored.
"""

from __future__ import annotations

import secrets
import shutil
import time
from pathlib import Path
from typing import Any

from core.errors import RunError
from core.registry import experiment
from core.runs.contents import RUN_JSON, digests, shipping
from core.runs.files import reason, write_json
from core.runs.recorder import Recorder
from core.runs.store import NAME, OWN, SHIPPED, Run, RunStore
from core.training.session import mark, store_evaluation
from core.training.verifying import read_whole

LOCAL_KEYS = ("reason", "files")


def publish(
    store: RunStore,
    run: Run,
    name: str | None = None,
    *,
    replace: bool = False,
    device: str = "cpu",
    quick: bool = False,
) -> Run:
    """Copy a finished own run into the shipped ones and return it as it reads there.

    Parameters
    ----------
    store, run
        Where the run ships, and the run.
    name
        Its name there; by default that of its data set.
    replace
        Take the place of a shipped run of that name. A shipped run can take its own place: it is then stored anew.
    device
        Where it is evaluated.
    quick
        Recompute the metrics by the chapter's ``verify`` and keep the tables, for evaluations that take hours.

    Raises
    ------
    RunError
        If it is not an own and finished run, its config lacks options, one of its files does not read or is of a kind
        that does not ship, or there is a shipped run of that name.
    """
    if name is None:
        name = run.name if run.shipped else run.config.data
    if run.origin != OWN and not (replace and name == run.name):
        raise RunError(f"{run.id} ships already", "Publish a run of your own, or this one with --replace")
    if not NAME.fullmatch(name):
        raise RunError(f"{name[:60]!r} is no name for a run", "Use lower-case letters, digits and -, 64 at most")
    if run.record.defaulted:
        lacking = ", ".join(run.record.defaulted)
        raise RunError(f"{run.id} does not say its {lacking}", "Add to config in its run.json what it was trained with")
    read_whole(run)
    target = store.roots[SHIPPED] / run.experiment / name
    if target.exists() and not replace:
        raise RunError(f"{target} is there already", "Choose another --name, or give --replace")
    draft = target.with_name(f".{name}.{secrets.token_hex(4)}.tmp")
    try:
        _copy(run, draft, name)
        _measure(Run.read(draft, SHIPPED), device, quick=quick)
        read_whole(mark(Run.read(draft, SHIPPED), files=digests(draft)))
        _put(draft, target)
    except OSError as error:
        raise RunError(f"{target} cannot be written ({reason(error)})", "Make room or give permission there") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return store.get(f"{SHIPPED}/{run.experiment}/{name}")


def _copy(run: Run, draft: Path, name: str) -> None:
    """Copy what ships, weights and snapshots in half precision; the record names no digests yet."""
    from core.training.weights import load_tensors, save_tensors

    for file in shipping(run.path):
        inside = file.relative_to(run.path)
        copy = draft / inside
        copy.parent.mkdir(parents=True, exist_ok=True)
        if inside.name == "weights.safetensors" or inside.parts[0] == "snapshots":
            save_tensors(copy, load_tensors(file), half=True)
        else:
            shutil.copyfile(file, copy)
    kept: dict[str, Any] = {key: value for key, value in run.record.raw.items() if key not in LOCAL_KEYS}
    write_json(draft / RUN_JSON, {**kept, "name": name})


def _measure(run: Run, device: str, *, quick: bool) -> None:
    """Evaluate a run's stored weights, and put metrics and tables in the place of those that it came with."""
    module = experiment(run.experiment).part("evaluate")
    begun = time.monotonic()
    evaluation = getattr(module, "verify", module.evaluate)(run, device) if quick else module.evaluate(run, device)
    if quick:
        evaluation.tables.clear()
    else:
        shutil.rmtree(run.path / "tables", ignore_errors=True)
    store_evaluation(Recorder(run), evaluation)
    mark(run, evaluation_s=round(time.monotonic() - begun, 3))


def _put(draft: Path, target: Path) -> None:
    """Rename a finished draft into its place; what was there is kept until the new one is there."""
    before = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    if target.exists():
        target.rename(before)
    try:
        draft.rename(target)
    except OSError:
        if before.exists():
            before.rename(target)
        raise
    shutil.rmtree(before, ignore_errors=True)
