"""What the commands of the command line do. Each takes the parsed arguments and returns an exit code."""

from __future__ import annotations

import json
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from core import data as data_sets
from core import settings
from core.errors import AtlasError, ConfigError, DataError, RunError
from core.jobs import queue as jobs
from core.options import Config
from core.registry import experiment
from core.runs.store import OWN, SHIPPED, Run, RunStore
from core.training.publishing import publish as publish_run
from core.training.session import new_run, resolve_device
from core.training.session import work as work_on
from core.training.verifying import Comparison, compare, missing_data, read_whole

DONE, DISAGREES, STOPPED = 0, 1, 130
NOT_LOSSES = ("epoch", "step", "elapsed_s")


class Progress:
    """A progress bar on a terminal; elsewhere one line per epoch, on stderr."""

    def __init__(self, total: int, done: float) -> None:
        from tqdm import tqdm

        shape = "{desc}{percentage:3.0f}%|{bar}| {n:.1f}/{total} epochs [{elapsed}<{remaining}]{postfix}"
        self._plain = not sys.stderr.isatty()
        self._bar = tqdm(total=total, initial=done, bar_format=shape, disable=self._plain, file=sys.stderr)

    def __call__(self, done: float, total: int, row: Mapping[str, float] | None) -> None:
        """Show how far training is, with the losses of a new history row."""
        self._bar.n = done
        if row is None:
            self._bar.refresh()
            return
        shown = [f"{name} {value:.4g}" for name, value in row.items() if name not in NOT_LOSSES][:6]
        self._bar.set_postfix_str(", ".join(shown))
        if self._plain:
            print(f"epoch {row['epoch']}/{total}  {'  '.join(shown)}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the bar as it is and end its line."""
        self._bar.close()


def list_runs(arguments: Namespace) -> int:
    """List the runs, and on stderr the folders that do not read."""
    runs, broken = RunStore().scan()
    described = [_described(run) for run in runs]
    if arguments.json:
        unreadable = [{"id": one.id, "status": "unreadable", "error": str(one.error)} for one in broken]
        _print_json([*described, *unreadable])
        return DONE
    keys = ("id", "status", "data", "progress", "headline", "created")
    rows = [[row[key] for key in keys] for row in described]
    _print_table(["run", *keys[1:]], rows)
    if not rows:
        print("There are no runs yet: python -m core train EXPERIMENT makes one.", file=sys.stderr)
    for one in broken:
        print(f"{one.id} does not read: {one.error}", file=sys.stderr)
    return DONE


def _described(run: Run) -> dict[str, Any]:
    about = experiment(run.experiment)
    figure = run.metrics.get(about.headline)
    return {
        "id": run.id,
        "experiment": run.experiment,
        "name": run.name,
        "origin": run.origin,
        "status": jobs.state(run).status,
        "data": run.record.data.name,
        "seed": run.record.seed,
        "epochs": run.config.epochs,
        "epochs_done": run.epochs_done,
        "progress": f"{run.epochs_done}/{run.config.epochs}",
        "created": run.record.created.isoformat(),
        "elapsed_s": run.record.elapsed_s,
        "headline": "" if figure is None else f"{figure:{about.headline_format}} {about.headline_label}",
        "metrics": run.metrics,
    }


def train(arguments: Namespace) -> int:
    """Train a new run, or go on with one."""
    if settings.read_only():
        raise ConfigError("training is switched off here", "Unset EPOCH_ATLAS_READONLY to train")
    run = _to_resume(arguments) if arguments.resume else None
    config = run.config if run else _new_config(arguments)
    _need_data(config)
    device = resolve_device(arguments.device)  # before a folder is made for a device that is not there
    if run is None:
        run = new_run(RunStore(), arguments.experiment, config, arguments.name)
    else:
        (run.path / "stop").unlink(missing_ok=True)
    print(f"Training {run.id} on {device}", file=sys.stderr)
    return _work(run, device)


def _new_config(arguments: Namespace) -> Config:
    if not arguments.experiment:
        raise ConfigError("no experiment is named", "Name one, or go on with a run by --resume RUN")
    kind = experiment(arguments.experiment).config
    pairs = list(arguments.set)
    pairs += [f"{key}={value}" for key in ("data", "seed") if (value := getattr(arguments, key)) is not None]
    values = kind.parse(pairs)
    config = kind.from_dict(values)
    for line in config.idle(values):
        print(f"note: {line}", file=sys.stderr)
    return config


def _to_resume(arguments: Namespace) -> Run:
    if arguments.set or any(value is not None for value in (arguments.data, arguments.seed, arguments.name)):
        raise ConfigError("a resumed run keeps its settings", "Leave out --set, --data, --seed and --name")
    run = RunStore().find(arguments.resume)
    if arguments.experiment not in (None, run.experiment):
        raise ConfigError(f"{run.id} is no run of {arguments.experiment[:60]!r}", f"Its experiment is {run.experiment}")
    now = jobs.state(run)
    if run.origin == OWN and not now.resumable:
        raise RunError(f"{run.id} is {now.status}", "Only a stopped, failed or interrupted run can be resumed")
    return run


def _need_data(config: Config) -> None:
    message = missing_data(config)
    if message:
        remedy = f"Run python -m core data {config.data}, or train on mnist-5k, which works offline"
        raise DataError(f"{config.data} is {message}", remedy)


@contextmanager
def _polite() -> Iterator[None]:
    """Let what ends a process stop a training as Ctrl-C does.

    SIGTERM, such as the machine's shutdown sends, and SIGINT do so even if they were ignored; SIGHUP, which a closed
    terminal sends, does not under ``nohup``.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _work(run: Run, device: str) -> int:
    """Train a run under a progress bar and say how it ended."""
    with _polite(), closing(Progress(run.config.epochs, run.epochs_done)) as progress:
        status = work_on(run, device, progress, settings.threads())
    run = RunStore().get(run.id)
    done, total = run.epochs_done, run.config.epochs
    if status == "stopped":
        go_on = f"python -m core train --resume {run.id}"
        print(f"Stopped after epoch {done} of {total}. Go on with: {go_on}", file=sys.stderr)
        return STOPPED
    why = jobs.state(run).reason
    print(f"{run.id}: {status}, {done} of {total} epochs in {run.record.elapsed_s:,.1f} s{f': {why}' if why else ''}")
    for name, value in run.metrics.items():
        print(f"  {name} = {value:.6g}")
    return DONE


def work(arguments: Namespace) -> int:
    """Train a queued run: what a background job runs. Its output goes into the run's job.log."""
    run = RunStore().get(arguments.run)
    return _work(run, "auto")


def evaluate(arguments: Namespace) -> int:
    """Recompute a run's metrics and print the stored and the recomputed ones."""
    run = RunStore().find(arguments.run)
    _need_data(run.config)
    compared = compare(run, resolve_device(arguments.device, settings.threads()))
    agree = all(one.agrees for one in compared)
    if arguments.json:
        metrics = {one.metric: one.to_dict() for one in compared}
        _print_json({"run": run.id, "agrees": agree, "metrics": metrics})
    else:
        print(run.id)
        _print_comparisons(compared)
    return DONE if agree else DISAGREES


def verify(arguments: Namespace) -> int:
    """Recompute the metrics of every shipped run."""
    runs, broken = RunStore().scan()
    shipped = [run for run in runs if run.origin == SHIPPED]
    faults = [f"{one.id} does not read: {one.error}" for one in broken if one.id.startswith(f"{SHIPPED}/")]
    checked, skipped = 0, []
    device = ""  # found when it is needed: that imports torch
    for run in shipped:
        lacking = missing_data(run.config)
        if lacking:
            skipped.append(f"{run.id} was not checked: {run.config.data} is {lacking}")
            continue
        device = device or resolve_device(arguments.device, settings.threads())
        print(run.id, flush=True)
        try:
            read_whole(run)
            if not run.record.files:
                raise run.broken("run.json", "it does not say what its other files are")
            compared = compare(run, device, quick=True)
        except DataError as error:
            skipped.append(f"{run.id} was not checked: {error}")
            continue
        except AtlasError as error:
            faults.append(f"{run.id}: {error}")
            continue
        checked += 1
        _print_comparisons(compared)
        faults += [f"{run.id}: {one.metric} does not agree" for one in compared if not one.agrees]
    for line in [*skipped, *faults]:
        print(line)
    unchecked = f"{len(skipped)} could not be checked" if skipped else "none left out"
    print(f"{checked} of {len(shipped)} shipped runs checked, {unchecked}, {len(faults)} faults")
    return DISAGREES if faults or (skipped and arguments.strict) else DONE


def data(arguments: Namespace) -> int:
    """List the data sets, or download one."""
    if arguments.name is None:
        rows = [
            [name, info.title, data_sets.availability(name).message, info.licence]
            for name, info in data_sets.DATASETS.items()
        ]
        _print_table(["name", "title", "where", "licence"], rows)
        return DONE
    there = data_sets.availability(arguments.name)
    if not there.ready:
        from tqdm import tqdm

        with tqdm(total=there.bytes_to_download, unit="B", unit_scale=True, desc=there.name, file=sys.stderr) as bar:

            def show(done: int, total: int) -> None:
                bar.total, bar.n = total, done
                bar.refresh()

            data_sets.download(there.name, show)
        there = data_sets.availability(there.name)
    print(f"{there.name}: {there.message}")
    return DONE


def publish(arguments: Namespace) -> int:
    """Copy a finished own run into checkpoints/, with half the bytes of its weights and its metrics recomputed."""
    run = RunStore().find(arguments.run)
    _need_data(run.config)
    device = resolve_device(arguments.device, settings.threads())
    options = {"replace": arguments.replace, "quick": arguments.quick}
    run = publish_run(RunStore(), run, arguments.name, device=device, **options)
    size = sum(file.stat().st_size for file in run.path.rglob("*") if file.is_file())
    print(f"{run.id}: {size / 1e6:.1f} MB in {run.path}")
    return DONE


def _print_comparisons(compared: list[Comparison]) -> None:
    def shown(value: float | None) -> str:
        return "-" if value is None else f"{value:.6g}"

    rows = [
        [one.metric, shown(one.stored), shown(one.recomputed), shown(one.difference), shown(one.tolerance), one.verdict]
        for one in compared
    ]
    _print_table(["metric", "stored", "recomputed", "difference", "tolerance", ""], rows)


def _print_table(head: list[str], rows: list[list[str]]) -> None:
    widths = [max(len(line[column]) for line in [head, *rows]) for column in range(len(head))]
    for line in [head, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _print_json(value: object) -> None:
    wide = (sys.stdout.encoding or "").lower().startswith("utf")  # elsewhere letters are JSON's own escapes
    print(json.dumps(value, indent=2, ensure_ascii=not wide, allow_nan=False))
