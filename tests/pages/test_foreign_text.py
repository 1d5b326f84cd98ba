"""Text that comes from runs, uploads and links is shown as text: no image, no link, no formula."""

import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataError
from core.registry import EXPERIMENTS
from core.settings import ROOT
from core.words import MOST_CHARACTERS, as_text
from tests.pages.screen import open_page

ACTS = (
    "![x](https://example.org/x.png)",
    "[x](https://example.org)",
    ":material/skull:",
    ":red[x]",
    ":smile:",
    "$x$",
    "<b>x</b>",
    "**x**",
    "`x`",
)
PAYLOAD = " ".join(ACTS)
PAGES = ["home", "glossary", *EXPERIMENTS]


def plant(root, experiment, **changes):
    """Copy a shipped run's record, without its weights, and let it say other things."""
    source = min((ROOT / "checkpoints" / experiment).iterdir(), key=lambda folder: sum(1 for _ in folder.rglob("*")))
    target = root / experiment / "planted"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("weights.*", "snapshots"))
    file = target / "run.json"
    meta = {**json.loads(file.read_text(encoding="utf-8")), **changes}
    meta["data"] = {**meta["data"], "name": PAYLOAD, "source": PAYLOAD}
    file.write_text(json.dumps(meta), encoding="utf-8")


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("EPOCH_ATLAS_RUNS", str(tmp_path))
    for name in EXPERIMENTS:
        told = {"device": PAYLOAD, "reason": PAYLOAD, "software": {PAYLOAD: PAYLOAD}, "status": "failed"}
        plant(tmp_path, name, **told)
        for folder, text in (("broken", json.dumps({"schema": PAYLOAD})), ("odd", "{")):
            (tmp_path / name / folder).mkdir()
            (tmp_path / name / folder / "run.json").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_no_page_lets_the_text_of_a_run_act(runs, page):
    app = open_page(page, f"own/{page}/planted" if page in EXPERIMENTS else None)
    shown = [str(getattr(element, "proto", "")) for element in app]
    found = [acting for acting in ACTS[:-2] for text in shown if acting in text]
    assert found == []
    if page in EXPERIMENTS or page == "home":
        assert any("example" in text for text in shown)  # it is there, as text


SPECIAL = st.text(st.sampled_from("![](){}<>$:*_`~#|\\&@.-+=/ ax1\n\u202e\ud800\x1b"), max_size=60)


@given(SPECIAL)
def test_every_character_with_a_meaning_is_escaped(text):
    said = as_text(text)
    said.encode("utf-8")
    plain, rest = [], list(said)
    while rest:
        one = rest.pop(0)
        plain.append(rest.pop(0) if one == "\\" else one)
        assert one == "\\" or one.isalnum() or one in " \ufffd\u2060….-=+()/"
    assert not said.startswith(("-", "+", "="))
    assert "\n" not in said
    readable = "".join(plain).replace("\u2060", "").replace("\ufffd", "")
    assert readable == "".join(one for one in " ".join(text.split()) if one not in "\u202e\ud800\x1b")


@pytest.mark.parametrize("icon", [":material/face:", ":smile:", "->", "<-", "--"])
def test_what_a_page_draws_after_reading_the_markdown_is_kept_apart(icon):
    assert icon not in as_text(icon).replace("\\", "")


def test_long_text_is_cut():
    assert len(as_text("a" * 100_000)) == MOST_CHARACTERS


def test_commands_in_our_own_messages_stay_code():
    error = DataError("![x](y)", "Run `python -m core data mnist`, or *rest*")
    assert as_text(error, code=True).endswith(r"Run `python -m core data mnist`, or \*rest\*.")
    assert as_text(error).count("`") == as_text(error).count(r"\`")
