"""The bar that plays and scrubs, shared by every film: its markup, its style and its script.

A component puts them before its own: a component is one script and one style.
"""

from __future__ import annotations

from pathlib import Path

SPEEDS = (2, 5, 10, 20, 30, 60)  # places a second
WATCHED_S = 6  # a film plays in about so many seconds unless the reader chooses another speed
_HERE = Path(__file__).parent

CSS = (_HERE / "transport.css").read_text(encoding="utf-8")
SHARED_JS = (_HERE / "shared.js").read_text(encoding="utf-8")
JS = SHARED_JS + (_HERE / "transport.js").read_text(encoding="utf-8")


def html(unit: str) -> str:
    """Return the bar's markup; ``unit`` is what one step is called, in the singular."""
    text = (_HERE / "transport.html").read_text(encoding="utf-8")
    return text.replace("{unit}", unit).replace("{Unit}", unit.capitalize())


def speed_for(places: int) -> int:
    """Return the speed at which that many places play in about :data:`WATCHED_S` seconds."""
    return min(SPEEDS, key=lambda speed: abs(speed - places / WATCHED_S))
