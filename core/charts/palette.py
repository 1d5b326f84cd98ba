"""The colours, one meaning each on every page (Okabe and Ito's palette, safe for colour-blind readers)."""

from __future__ import annotations

from typing import Final

BLUE, ORANGE, GREEN, PINK = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILION, YELLOW, NEUTRAL = "#56B4E9", "#D55E00", "#F0E442", "#6E6E6E"
PURPLE = "#7B3294"

OKABE_ITO = (BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, YELLOW)

TRAIN, VALIDATION = BLUE, ORANGE
REAL, GENERATED, UNDECIDED = GREEN, PURPLE, "#BDBDBD"

SEQUENTIAL: Final = "viridis"
# purple - grey - green: generated, undecided, real
DIVERGING = ("#7B3294", "#A775B5", "#CBB4D2", "#D9D9D9", "#AFD3C2", "#5FB491", "#009E73")


def series_colours(names: list[str]) -> list[str]:
    """Return a colour for each series: training and validation have theirs, the others take the palette in turn."""
    fixed = {"train": TRAIN, "training": TRAIN, "validation": VALIDATION, "real": REAL, "generated": GENERATED}
    spare = iter([c for c in OKABE_ITO if c not in {TRAIN, VALIDATION}] * (len(names) // 5 + 1))
    if not any(name.lower() in fixed for name in names):
        spare = iter(list(OKABE_ITO) * (len(names) // 7 + 1))
    return [fixed[name.lower()] if name.lower() in fixed else next(spare) for name in names]
