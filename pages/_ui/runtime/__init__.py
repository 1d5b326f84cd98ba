"""Networks, drawings and pictures in the reader's browser: small JavaScript modules, bundled into components.

The modules are plain ES modules without a library: each imports the others it needs by a relative path, so that tests
load them one by one. A component of Streamlit takes one text, so :func:`component` joins its script with all it
imports; :func:`bundle` does so for runtime modules alone.

===========  ========================================================================================================
module       what it gives
===========  ========================================================================================================
network      ``new Network(layers, file, shape)``: layers from ``core.layers.described``, bytes of a safetensors file,
             the shape of one item; ``forward(x, n)``: outputs of n items, Float32Array; ``gradient(x, weights, n)``:
             ``{output, gradient}`` of ``sum(output * weights)`` in the input. Errors: a ``Problem``, one sentence
safetensors  ``parseSafetensors(bytes)``, ``valuesOf(tensors, name, shape)``; ``Problem``
worker       ``new Helper()``: a Web Worker; ``load(name, layers, file, shape)``, then ``await ask("forward",
             {network, x, n}, {topic})``; a newer request about a topic replaces the older. Jobs of a chapter's own
             are added to ``JOBS`` in a module that its component imports; a generator shows its progress
random       ``seeded(seed)``: ``uniform()``, ``normal()``, ``normals(n)``
drawing      ``rasterise(strokes, size)``: ink of a drawing; ``fromDrawing(ink)``, ``digitOf(strokes)``: 28 x 28 bytes
picture      ``paintDigits(canvas, values, columns)``: white ink on black
payload      ``unpack(data)``: ``{head, files}`` of what ``payload.packed`` packed
===========  ========================================================================================================

A probe is a folder with ``probe.html``, ``probe.css`` and ``probe.js``. Its Python side packs the layers and the
weights (``payload.weights_of``) into one block that changes only with run and epoch; the script keeps what the reader
does, and says so with ``setStateValue`` when it rests, never while the pointer moves. ``pages/_ui/vaes/latent_space``
is one to copy from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import\s+\{[^}]*\}\s+from\s+"(\.[a-z_0-9./]+\.js)"\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


def _joined(*entries: Path) -> dict[Path, str]:
    """Return the text of modules and of all they import, each once, the imported first; without import and export."""
    texts: dict[Path, str] = {}

    def add(file: Path) -> None:
        if file in texts:
            return
        source = file.read_text(encoding="utf-8")
        for other in _IMPORT.findall(source):
            add((file.parent / other).resolve())
        texts[file] = _EXPORT.sub("", _IMPORT.sub("", source))

    for entry in entries:
        add(entry.resolve())
    return texts


@cache
def bundle(*names: str) -> str:
    """Return the source of runtime modules and of all they import, each once, as plain script text.

    ``import`` lines and the word ``export`` are gone: put the text before a component's own JavaScript, which then sees
    every name at its top level. Names are therefore unique over all modules (a test holds it).

    Parameters
    ----------
    *names
        Names of modules, without ``.js``.
    """
    return "\n".join(_joined(*(_HERE / f"{name}.js" for name in names)).values())


@cache
def script(entry: Path) -> str:
    """Return a component's script with all it imports, ready for Streamlit; the worker gets all but the entry."""
    texts = _joined(entry)
    own = texts.pop(entry.resolve())
    library = "\n".join(texts.values())
    return f"const WORKER_SOURCE = {json.dumps(library)}\n{library}\n{own}"


def component(name: str, folder: Path) -> Callable[..., Any]:
    """Return the component of a folder that holds ``probe.html``, ``probe.css`` and ``probe.js``.

    Parameters
    ----------
    name
        Unique among all components.
    folder
        Where the files are; ``probe.js`` exports the function that Streamlit calls as default.

    Returns
    -------
    callable
        As ``st.components.v2.component`` gives it: mount it with ``key``, ``data`` and ``on_<state>_change``.
    """
    html, css = ((folder / f"probe.{kind}").read_text(encoding="utf-8") for kind in ("html", "css"))
    return st.components.v2.component(f"epoch_atlas.{name}", html=html, css=css, js=script(folder / "probe.js"))
