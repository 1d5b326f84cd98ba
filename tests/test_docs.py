"""What the documents say is so: the two lines, the commands, the settings, the chapters, the versions."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib

import pytest

from core import cli, commands
from core.cli import main
from core.data import DATASETS
from core.registry import EXPERIMENTS
from core.runs.store import RunStore
from core.settings import ROOT

README = (ROOT / "README.md").read_text()
TEXTS = [
    file
    for pattern in ("*.md", "*.txt", "*.toml", "LICENSE", "core/**/*.py", "pages/**/*.py", "*.py", "tests/**/*.py")
    for file in sorted(ROOT.glob(pattern))
]


def one_line(name: str) -> str:
    return subprocess.run(
        [str(ROOT / ".ci" / "readme-line"), name], capture_output=True, text=True, check=True, timeout=300
    ).stdout.strip()


@pytest.mark.skipif(os.name == "nt", reason="the lines are for a POSIX shell")
def test_the_two_lines_stand_on_the_first_screen():
    first_screen = "\n".join(README.splitlines()[:30])
    ends_of = {"open": ".venv/bin/streamlit run streamlit_app.py", "test": ".venv/bin/python -m pytest -q -n 2"}
    for name, ends in ends_of.items():
        line = one_line(name)
        assert line in first_screen
        assert line.startswith("python3 -m venv .venv && .venv/bin/pip install -q -r requirements")
        assert line.endswith(ends)
    assert (ROOT / "streamlit_app.py").exists()


def test_the_first_start_opens_the_app_without_a_question():
    """Streamlit asks for an e-mail address at its first start on a machine, and waits, unless told otherwise."""
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert config["server"]["showEmailPrompt"] is False
    assert config["browser"]["gatherUsageStats"] is False


def test_a_line_that_is_not_there_is_an_error():
    done = subprocess.run(
        [str(ROOT / ".ci" / "readme-line"), "nope"], capture_output=True, text=True, check=False, timeout=300
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "no single line marked <!-- nope -->" in done.stderr


def test_ci_runs_the_line_as_it_stands():
    script = (ROOT / ".ci" / "run").read_text()
    assert "line=$(.ci/readme-line test)" in script
    assert 'bash -c "$line"' in script
    assert "EPOCH_ATLAS_BROWSER_TESTS=1" in script
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert os.access(ROOT / ".ci" / "readme-line", os.X_OK)


def command_names() -> list[str]:
    """The commands, from the help that the program prints."""
    text = subprocess.run(
        [sys.executable, "-m", "core", "--help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    ).stdout
    return re.findall(r"^    ([a-z]+) ", text, re.MULTILINE)


def test_every_command_is_documented_and_every_documented_one_exists():
    documented = set(re.findall(r"^python -m core ([a-z]+)", README, re.MULTILINE))
    assert documented == set(command_names())


def test_every_flag_is_documented(capsys: pytest.CaptureFixture[str]):
    for command in command_names():
        assert main([command, "--help"]) == 0
        for flag in set(re.findall(r"--[a-z]+", capsys.readouterr().out)) - {"--help"}:
            assert flag in README, f"{command} {flag}"


def test_every_setting_is_documented_and_every_documented_one_is_read():
    used = {
        name
        for file in TEXTS
        if file.suffix == ".py" and not file.is_relative_to(ROOT / "tests")
        for name in re.findall(r"\bEPOCH_ATLAS_[A-Z_]+\b", file.read_text())
    }
    table = set(re.findall(r"^\| `(EPOCH_ATLAS_\w+)` \|", README, re.MULTILINE))
    assert table == used | {"EPOCH_ATLAS_BROWSER_TESTS"}


def test_every_chapter_is_in_the_table():
    rows = re.findall(r"^\| (.+?) \| (.+?) \| `(\w+)` \| (.+?) \|$", README, re.MULTILINE)
    assert rows == [(one.group, one.title, name, one.question) for name, one in EXPERIMENTS.items()]


def test_every_data_set_is_in_the_table_with_its_licence():
    for name, info in DATASETS.items():
        row = next(line for line in README.splitlines() if line.startswith(f"| `{name}` |"))
        assert row.endswith(f"| {info.licence} |")
        if not info.bundled:
            assert f"({info.download_mb} MB)" in row
            assert f"{info.sizes['train']:,} / {info.sizes['validation']:,} / {info.sizes['test']:,}" in row


def shipping_commands() -> dict[str, str]:
    """The table of shipped runs and the commands that trained them."""
    section = README.split("## How the shipped runs were trained")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([\w/-]+)` \| `python -m core train (.+)` \|$", section, re.MULTILINE))


def test_every_shipped_run_has_its_command_and_the_command_makes_its_config():
    shipped = {f"{run.experiment}/{run.name}": run for run in RunStore().list() if run.shipped}
    assert set(shipping_commands()) == set(shipped)
    for name, command in shipping_commands().items():
        arguments = cli._parser([]).parse_args(["train", *shlex.split(command)])
        assert arguments.experiment == shipped[name].experiment
        assert commands._new_config(arguments) == shipped[name].config, name


def test_torch_and_torchvision_are_pinned_as_a_pair():
    required = (ROOT / "requirements.txt").read_text()
    assert re.search(r"^torch==\d+\.\d+\.\d+$", required, re.MULTILINE)
    assert re.search(r"^torchvision==\d+\.\d+\.\d+$", required, re.MULTILINE)
    for line in required.splitlines():
        if line and not line.startswith("#"):
            assert re.match(r"[a-z0-9-]+(==[\d.]+$|>=[\d.]+,<[\d.]+)", line), line


def test_what_is_installed_is_what_is_required():
    """A result is told with its versions: the tests run with those of requirements.txt."""
    from importlib.metadata import version

    from packaging.requirements import Requirement

    for line in (ROOT / "requirements.txt").read_text().splitlines():
        text = line.split("#")[0].strip()
        if text:
            wanted = Requirement(text)
            assert wanted.specifier.contains(version(wanted.name)), f"{wanted}, not {version(wanted.name)}"


def test_licence_and_changelog():
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert "Epoch Atlas contributors" in (ROOT / "LICENSE").read_text()
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert changelog.startswith("# Changelog")
    assert "## Unreleased" in changelog


def test_nothing_is_promised_instead_of_done():
    words = "|".join(("TO" + "DO", "FIX" + "ME", "not (?:yet )?" + "implemented", "coming" + " soon"))
    assert {str(file): found for file in TEXTS if (found := re.findall(words, file.read_text()))} == {}


def test_links_inside_the_readme_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    for named in re.findall(r"`((?:core|pages|tests|checkpoints)/[\w/.]*)`", README):
        assert (ROOT / named).exists(), named


def test_modules_stay_readable():
    long = {
        str(file.relative_to(ROOT)): lines
        for file in TEXTS
        if file.suffix == ".py"
        and (lines := len(file.read_text().splitlines())) > (500 if file.is_relative_to(ROOT / "tests") else 400)
    }
    assert long == {}
