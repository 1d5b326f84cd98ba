"""Every chapter's story, of every run that ships: it can be told whole, and what it says hangs together."""

from __future__ import annotations

import re

import pytest

from core.registry import EXPERIMENTS
from core.runs.store import RunStore
from core.story import Chart, Panel, Story, Table
from pages._ui.shell.glossary import TERMS
from pages._ui.show.story import TERM, linked

RUNS = [run for run in RunStore().list() if run.shipped]


@pytest.fixture(scope="module", params=RUNS, ids=[run.id for run in RUNS])
def told(request: pytest.FixtureRequest) -> Story:
    return EXPERIMENTS[request.param.experiment].part("story").tell(request.param)


def panels(story: Story) -> list[Panel]:
    return [panel for section in story.sections for panel in section.panels]


def test_every_chapter_has_runs_that_tell_it():
    assert {run.experiment for run in RUNS} == set(EXPERIMENTS)


def test_keys_and_sections_are_told_apart(told: Story):
    keys = [panel.key for panel in panels(told)]
    assert len(keys) == len(set(keys))
    anchors = [section.anchor for section in told.sections]
    assert len(anchors) == len(set(anchors))
    assert told.panel(keys[0]) is panels(told)[0]


def test_every_chart_draws_and_every_table_reads(told: Story):
    """Drawn with altair's check of the whole specification, which pages leave out."""
    for panel in panels(told):
        if isinstance(panel.body, Chart):
            assert panel.body.draw().to_dict(validate=True), panel.key
            assert panel.body.alt
            assert not panel.body.frame.empty, panel.key
        elif isinstance(panel.body, Table):
            texts = panel.body.texts()
            assert list(texts.columns) == [column.title for column in panel.body.columns.values()]
            assert not re.search(r"(^|\s)-\d", " ".join(map(str, texts.to_numpy().ravel()))), "a hyphen for a minus"


def test_figures_are_two_to_four_and_read(told: Story):
    assert 1 <= len(told.figures) <= 4
    for figure in told.figures:
        assert figure.text(figure.value) != "–", figure.label
        assert figure.small_print


def test_the_verdict_answers_in_a_few_sentences(told: Story):
    assert told.verdict is not None
    assert 1 <= len(told.verdict.answer) <= 4
    assert told.verdict.text


def test_terms_are_in_the_glossary_and_the_rest_is_told(told: Story):
    for found in TERM.finditer(told.text):
        assert found.group(1) in TERMS
    assert "[[" not in linked(told.text)
    assert len(told.how.tries) >= 3
    assert all(url.startswith("https://") for _, url in told.how.sources)


def test_plain_numbers_are_no_nan(told: Story):
    assert not re.search(r"\bnan\b|\binf\b", told.text, re.IGNORECASE)
