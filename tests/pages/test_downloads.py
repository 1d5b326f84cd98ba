"""Downloads are data: what a page writes for readers, a program reads as numbers."""

import io

import numpy as np
import pandas as pd
import pytest

from pages._ui.show.downloads import csv_bytes


def test_numbers_written_for_readers_are_numbers():
    frame = pd.DataFrame({"log p(x), nats": ["−50.10", "–", "1,234.5", "+0.2"], "class": ["a", "b", "c", "d"]})
    found = pd.read_csv(io.BytesIO(csv_bytes(frame)))
    assert found["log p(x), nats"].tolist() == pytest.approx([-50.1, np.nan, 1234.5, 0.2], nan_ok=True)


def test_numbers_keep_every_digit_and_what_is_missing_is_empty():
    frame = pd.DataFrame({"loss": [0.1 + 0.2, np.nan, np.inf], "epoch": [1, 2, 3]})
    assert csv_bytes(frame).decode().splitlines() == ["loss,epoch", "0.30000000000000004,1", ",2", "inf,3"]


@pytest.mark.parametrize(("text", "marked"), [("plain", False), ("Zürich", True), ("µ ± σ", True)])
def test_a_mark_where_there_are_other_letters(text, marked):
    content = csv_bytes(pd.DataFrame({"name": [text]}))
    assert content.startswith(b"\xef\xbb\xbf") == marked
    assert pd.read_csv(io.BytesIO(content))["name"].tolist() == [text]


def test_text_stays_text():
    frame = pd.DataFrame({"range": ["0 – 1", "a−b", "1, 2"]})
    assert pd.read_csv(io.BytesIO(csv_bytes(frame)))["range"].tolist() == ["0 – 1", "a−b", "1, 2"]
