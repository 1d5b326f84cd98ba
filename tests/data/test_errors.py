"""The error that carries its remedy."""

from __future__ import annotations

import copy

import pytest

from core.errors import AtlasError, ConfigError, DataError, JobError, RunError

KINDS = [AtlasError, DataError, ConfigError, RunError, JobError]


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_problem_and_remedy(kind: type[AtlasError]) -> None:
    error = kind("beta is -1", "Choose at least 0")
    assert str(error).startswith("beta is -1. Choose at least 0")
    assert (error.problem, error.remedy) == ("beta is -1", "Choose at least 0")


def test_text_is_one_tidy_line() -> None:
    text = str(DataError("cannot read\n  the file.", "  Delete\tit.  "))
    assert "\n" not in text
    assert text.startswith("cannot read the file. Delete it")
    assert ".." not in text


@pytest.mark.parametrize("kind", KINDS)
def test_survives_a_worker_process(kind: type[AtlasError]) -> None:
    error = copy.copy(kind("a problem", "A remedy"))  # rebuilt from class and args, as pickle does
    assert type(error) is kind
    assert (error.problem, error.remedy, str(error)) == ("a problem", "A remedy", str(kind("a problem", "A remedy")))


def test_every_kind_is_an_atlas_error() -> None:
    assert all(issubclass(kind, AtlasError) for kind in KINDS)
