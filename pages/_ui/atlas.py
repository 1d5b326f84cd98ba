"""The chapters that there are: by group, in the order of the navigation."""

from __future__ import annotations

from core import settings
from core.configs import EXPERIMENTS, Experiment

GROUPS = (
    "Networks",
    "Autoencoders",
    "Variational models",
    "Few labels",
    "Adversarial models",
    "Workshop",
)
PAGES = settings.ROOT / "pages"


def page_of(name: str) -> str:
    """Return the file of a chapter's page, relative to the entry file."""
    return f"pages/{name}.py"


def chapters() -> dict[str, list[Experiment]]:
    """Return the experiments that have a page, by group; groups without any are left out."""
    there = [one for one in EXPERIMENTS.values() if (PAGES / f"{one.name}.py").is_file()]
    grouped = {group: [one for one in there if one.group == group] for group in GROUPS}
    return {group: members for group, members in grouped.items() if members}
