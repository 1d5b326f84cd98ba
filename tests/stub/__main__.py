"""``python tests/stub COMMAND``: the command line, with the tiny chapter registered."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

from core import registry  # noqa: E402
from core.cli import main  # noqa: E402
from tests import stub  # noqa: E402

registry.register(stub.ENTRY)
sys.exit(main())
