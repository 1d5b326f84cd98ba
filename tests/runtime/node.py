"""Running the browser's JavaScript modules in Node, where there is one."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pages._ui import runtime

MODULES = Path(runtime.__file__).parent


def find_node():
    """Return the path of Node; skips the test where there is none, or fails it where browser tests are compulsory."""
    node = shutil.which("node")
    if node is None:
        if os.environ.get("EPOCH_ATLAS_BROWSER_TESTS") == "1":
            pytest.fail("no Node is on the PATH, and EPOCH_ATLAS_BROWSER_TESTS=1 makes these tests compulsory")
        pytest.skip("no Node is on the PATH, which tests of the browser's modules need")
    return node


def run_js(code, given=None, *, files=()):
    """Return what ``code`` gives: the body of an async function of ``given`` (JSON) and ``files`` (Buffers).

    ``code`` may import modules of the runtime by ``await load("name")``.
    """
    script = (
        'import { readFileSync } from "node:fs"\n'
        f"const load = name => import({json.dumps(MODULES.as_uri())} + `/${{name}}.js`)\n"
        'const { given, files } = JSON.parse(readFileSync(0, "utf8"))\n'
        f"const body = async (given, files) => {{\n{code}\n}}\n"
        "const result = await body(given, files.map(file => new Uint8Array(readFileSync(file))))\n"
        "process.stdout.write(JSON.stringify(result ?? null), () => process.exit(0))\n"
    )
    done = subprocess.run(
        [find_node(), "--no-warnings", "--experimental-default-type=module", "--input-type=module", "-e", script],
        input=json.dumps({"given": given, "files": [str(file) for file in files]}),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
