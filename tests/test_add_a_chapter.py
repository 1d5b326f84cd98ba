"""README's "Add a chapter", followed in a copy of the tree: the new chapter trains, evaluates, lists and has a page."""

import os
import re
import shutil
import subprocess
import sys
import textwrap

import pytest

from core.settings import ROOT

COPIED, NEW, TITLE = "classifier", "second", "Second opinion"
SECTION = (ROOT / "README.md").read_text(encoding="utf-8").split("## Add a chapter")[1].split("\n## ")[0]
NAMED = [one.replace("<name>", NEW) for one in re.findall(r"`((?:core|pages|tests)/[^`]*)`", SECTION)]
ROOMS = [f"core/chapters/{COPIED}", f"pages/{COPIED}.py", f"pages/_ui/{COPIED}", f"tests/chapters/{COPIED}"]
ENTRY = f"""
register(
    Experiment(
        name="{NEW}",
        title="{TITLE}",
        question="What does another network read?",
        group="Networks",
        config_name="ClassifierConfig",
        icon=":material/looks_two:",
        headline="test_accuracy",
        headline_label="test accuracy",
        headline_format=".2%",
    )
)
"""
USED = """
    import contextlib, io, sys
    from core.cli import main
    from streamlit.testing.v1 import AppTest

    small = ["epochs=1", "width=4", "batch_size=100"]
    assert main(["train", "second", "--data", "mnist-5k", "--name", "one", "--device", "cpu", "--set", *small]) == 0
    assert main(["evaluate", "own/second/one", "--device", "cpu"]) == 0
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert main(["list"]) == 0
    assert "own/second/one" in said.getvalue()
    home = AppTest.from_file("streamlit_app.py", default_timeout=120).run()
    assert not home.exception, home.exception
    assert any("Second opinion" in one.value for one in home.page_link)
    page = home.switch_page("pages/second.py")
    page.query_params["run"] = "own/second/one"
    page.run()
    assert not page.exception, page.exception
    print("title:", page.title[0].value)
    print("shown:", page.metric[0].value)
"""


def renamed(text):
    return re.sub(rf"\b{COPIED}\b", NEW, text)


@pytest.fixture
def tree(tmp_path):
    """A copy of the tree without its runs, in which the rooms of one chapter are copied and the copy is registered."""
    root = tmp_path / "tree"
    for name in ("core", "pages", ".streamlit"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "chapters", root / "tests" / "chapters")
    shutil.copy(ROOT / "streamlit_app.py", root)
    for room in ROOMS:
        source, target = root / room, root / renamed(room)
        if source.is_file():
            shutil.copy(source, target)
        elif source.is_dir():
            shutil.copytree(source, target)
        for file in [target] if target.is_file() else target.rglob("*.py"):
            file.write_text(renamed(file.read_text(encoding="utf-8")), encoding="utf-8")
    registry = root / "core" / "registry.py"
    before, function, after = registry.read_text(encoding="utf-8").partition("\n\ndef experiment(")
    registry.write_text(before + ENTRY + function + after, encoding="utf-8")
    return root


def test_every_file_that_the_steps_name_is_there(tree):
    assert {f"core/chapters/{NEW}/config.py", f"pages/{NEW}.py", "core/registry.py"} <= set(NAMED)
    assert [one for one in NAMED if not (tree / one).exists()] == []


@pytest.mark.slow
def test_the_new_chapter_is_a_chapter_like_any_other(tree, tmp_path):
    environment = {**os.environ, "EPOCH_ATLAS_RUNS": str(tmp_path / "runs")}
    code = textwrap.dedent(USED)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tree, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"title: {TITLE}" in done.stdout
    assert re.search(r"shown: \d\d\.\d\d%", done.stdout), done.stdout
