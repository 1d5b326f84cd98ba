"""Every run that ships, opened on its page: what a reader sees first is there and is the run's own figures."""

import pytest

from core.registry import EXPERIMENTS
from core.runs.store import RunStore
from tests.pages.screen import open_page, texts

SHIPPED = [run for run in RunStore().list() if run.shipped]


def test_every_chapter_ships_a_run():
    assert {run.experiment for run in SHIPPED} == set(EXPERIMENTS)


@pytest.mark.parametrize("run", SHIPPED, ids=lambda run: f"{run.experiment}/{run.name}")
def test_a_shipped_run_is_shown_whole(run, runs_root):
    app = open_page(run.experiment, run)
    assert [one.value for one in app.error] == []
    about = EXPERIMENTS[run.experiment]
    assert app.title[0].value == about.title
    assert "Pretrained, ships with the app" in texts(app)
    value = format(run.metrics[about.headline], about.headline_format).replace("-", "−")
    assert any(value in str(one.value) for one in app.metric), (value, [one.value for one in app.metric])
    assert "What the numbers say" in texts(app)
