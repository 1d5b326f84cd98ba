"""Publishing: a finished run of one's own becomes a run that ships."""

from __future__ import annotations

import secrets
import shutil

from core.errors import RunError
from core.runs.contents import digests, shipping
from core.runs.files import reason, write_json
from core.runs.store import NAME, OWN, SHIPPED, Run, RunStore
from core.training.verifying import read_whole

LOCAL_KEYS = ("reason",)


def publish(store: RunStore, run: Run, name: str | None = None) -> Run:
    """Copy a finished own run into the shipped ones and return it as it reads there.

    Raises
    ------
    RunError
        If it is not an own and finished run, one of its files does not read or is of a kind that does not ship, or
        there is a shipped run of that name.
    """
    name = run.config.data if name is None else name
    if run.origin != OWN:
        raise RunError(f"{run.id} ships already", "Publish a run of your own")
    if not NAME.fullmatch(name):
        raise RunError(f"{name[:60]!r} is no name for a run", "Use lower-case letters, digits and -, 64 at most")
    read_whole(run)
    files = shipping(run.path)
    target = store.roots[SHIPPED] / run.experiment / name
    if target.exists():
        raise RunError(f"{target} is there already", "Choose another --name, or delete it first")
    draft = target.with_name(f".{name}.{secrets.token_hex(4)}.tmp")
    try:
        for file in files:
            copy = draft / file.relative_to(run.path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        meta = {key: value for key, value in run.record.raw.items() if key not in LOCAL_KEYS}
        write_json(draft / "run.json", {**meta, "name": name})
        read_whole(Run.read(draft, SHIPPED))
        draft.rename(target)
    except OSError as error:
        raise RunError(f"{target} cannot be written ({reason(error)})", "Make room or give permission there") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return store.get(f"{SHIPPED}/{run.experiment}/{name}")
