"""Modules of the runtime and of components, joined into one text, and the helper that works off the page."""

import subprocess

import pytest

from core.settings import ROOT
from pages._ui import runtime
from tests.runtime.node import MODULES, find_node, run_js

COMPONENTS = sorted(file for file in (ROOT / "pages/_ui").rglob("probe.js"))


@pytest.mark.parametrize("file", COMPONENTS, ids=lambda file: file.parent.name)
def test_a_components_script_is_one_module_without_imports(file, tmp_path):
    text = runtime.script(file)
    assert "\nimport " not in text
    assert text.count("\nexport ") == 1  # the function that Streamlit calls
    (tmp_path / "joined.mjs").write_text(text)
    done = subprocess.run([find_node(), "--check", str(tmp_path / "joined.mjs")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr  # a name that stands twice is a syntax error


def test_all_modules_can_stand_in_one_text(tmp_path):
    text = runtime.bundle(*sorted(file.stem for file in MODULES.glob("*.js")))
    assert "export " not in text
    (tmp_path / "joined.mjs").write_text(text)
    done = subprocess.run([find_node(), "--check", str(tmp_path / "joined.mjs")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_helper_answers_the_newest_request_and_shows_progress():
    code = """
    const { Helper, JOBS } = await load("worker")
    JOBS.counted = function* (networks, { to }) {
      for (let i = 1; i < to; i++) yield i
      return to
    }
    const helper = new Helper(null) // without a worker: the same over a channel
    const heard = []
    const older = helper.ask("counted", { to: 1000 }, { onProgress: value => heard.push(["older", value]) })
    const newer = helper.ask("counted", { to: 3 }, { onProgress: value => heard.push(["newer", value]) })
    const other = helper.ask("counted", { to: 2 }, { topic: "other" })
    const answers = await Promise.all([older, newer, other])
    const wrong = await helper.ask("forward", { network: "none" }).catch(error => error.message)
    helper.load("torn", [], new Uint8Array(3), [1])
    const torn = await helper.ask("forward", { network: "torn" }).catch(error => error.message)
    helper.close()
    return { heard, answers: answers.map(answer => answer ?? "needless"), wrong, torn }
    """
    found = run_js(code)
    assert found["heard"] == [["newer", 1], ["newer", 2]]
    assert found["answers"] == ["needless", 3, 2]
    assert found["wrong"] == "There is no network “none”: reload the page."
    assert found["torn"].startswith("The network's weights did not arrive whole")
