"""Networks, drawings and pictures in the reader's browser: small JavaScript modules, bundled into components.

The modules are plain ES modules without a library: each imports the others it needs by ``./name.js``, so that tests
load them one by one. A component of Streamlit takes one text, so :func:`bundle` joins a module with all it imports.

===========  ========================================================================================================
module       what it gives
===========  ========================================================================================================
network      ``new Network(layers, file, shape)``: layers from ``core.layers.described``, bytes of a safetensors file,
             the shape of one item; ``forward(x, n)``: outputs of n items, Float32Array; ``gradient(x, weights, n)``:
             ``{output, gradient}`` of ``sum(output * weights)`` in the input. Errors: a ``Problem``, one sentence
safetensors  ``parseSafetensors(bytes)``, ``valuesOf(tensors, name, shape)``; ``Problem``
random       ``seeded(seed)``: ``uniform()``, ``normal()``, ``normals(n)``
drawing      ``rasterise(strokes, size)``: ink of a drawing; ``fromDrawing(ink)``, ``digitOf(strokes)``: 28 x 28 bytes
===========  ========================================================================================================
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import\s+\{[^}]*\}\s+from\s+"\./([a-z_]+)\.js"\n', re.MULTILINE)


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
    texts: dict[str, str] = {}

    def add(name: str) -> None:
        if name in texts:
            return
        source = (_HERE / f"{name}.js").read_text(encoding="utf-8")
        for other in _IMPORT.findall(source):
            add(other)
        texts[name] = re.sub(r"^export ", "", _IMPORT.sub("", source), flags=re.MULTILINE)

    for name in names:
        add(name)
    return "\n".join(texts.values())
