"""What a component of ours gets when it gets files: one block of bytes, a JSON head before them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ALIGNMENT = 8
JS = (Path(__file__).parent / "packing.js").read_text(encoding="utf-8")


def pack(head: Mapping[str, Any], parts: Iterable[bytes]) -> bytes:
    """Return the length of the head (4 bytes, little-endian), the head as JSON, then the parts.

    The head and each part end on a multiple of 8 bytes. How long each part is, the head has to say.
    """
    text = json.dumps(head, allow_nan=False, separators=(",", ":")).encode()
    blocks = [len(text).to_bytes(4, "little") + text, *parts]
    return b"".join(block + bytes(-len(block) % ALIGNMENT) for block in blocks)
