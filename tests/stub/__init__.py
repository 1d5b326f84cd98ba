"""A whole chapter in miniature: it trains in milliseconds and uses everything the loop has.

Batch normalisation and dropout, two optimisers (Adam, and SGD with momentum under a schedule), noise in validation,
grids and snapshots. ``python tests/stub COMMAND`` is ``python -m core``, with this chapter registered.

``STUB_HOLD`` may name a file that holds the training up before the epoch whose number the file holds, until the file
is gone or a stop is asked for; epoch 0 stands for the evaluation, which hears no stop by itself.
"""

from pathlib import Path

from core.registry import Experiment

NAME = "stub"
SCRIPT = str(Path(__file__).parent)
ENTRY = Experiment(
    name=NAME,
    title="Regression",
    question="Does the loop hold what it promises?",
    group="Workshop",
    config_name="StubConfig",
    icon=":material/science:",
    headline="test_elbo_nats",
    headline_label="test ELBO (nats)",
    headline_format=",.2f",
    package="tests.stub",
)
