"""What a probe in the browser gets: the run's weights as they are, and what it needs to know of them. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.errors import RunError
from core.runs.files import read_inside, reason
from core.runs.store import Run

MOST_BYTES = 64 << 20  # what a browser is asked to hold; shipped runs stay below 16 MB


@st.cache_resource(max_entries=8, show_spinner=False)
def _weights(digest: str, epoch: int | None, _run: Run) -> bytes:
    name = "weights.safetensors" if epoch is None else f"snapshots/{int(epoch)}.safetensors"
    try:
        return read_inside(_run.path, name, MOST_BYTES)
    except FileNotFoundError:
        raise RunError(f"{_run.path / name} is missing", "Pick another run or epoch") from None
    except OSError as error:
        raise RunError(f"{_run.path / name} cannot be shown ({reason(error)})", "Pick another run") from None


def weights_of(run: Run, epoch: int) -> bytes:
    """Return the safetensors file with a run's weights after a kept epoch, as it is; the browser checks what is in it.

    Raises
    ------
    RunError
        If there is no such file, it is no plain file, or it is larger than a browser should hold.
    """
    return _weights(run.digest, None if epoch == run.epochs_done and run.has_weights() else epoch, run)


def kept_epoch(run: Run, epoch: int) -> int | None:
    """Return the epoch nearest to ``epoch`` whose weights are kept, the later of two; None where none are."""
    kept = {*run.snapshots(), *([run.epochs_done] if run.has_weights() else [])}
    return min(kept, key=lambda one: (abs(one - epoch), -one)) if kept else None


def packed(head: Mapping[str, Any], files: Sequence[bytes] = ()) -> bytes:
    """Return a component's data as one block: length of the head, the head as JSON, the files, 8 bytes aligned.

    ``unpack`` in ``payload.js`` takes it apart. Streamlit sends a block again only when it has changed, so keep out of
    it what the reader does in the component.
    """
    text = json.dumps({**head, "sizes": [len(one) for one in files]}, allow_nan=False, separators=(",", ":")).encode()
    parts = [len(text).to_bytes(4, "little") + text, *files]
    return b"".join(part + bytes(-len(part) % 8) for part in parts)
