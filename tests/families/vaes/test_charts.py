"""The VAE chapter's charts render, check their columns and leave their table alone."""

import altair as alt
import numpy as np
import pandas as pd
import pytest

from core.errors import DataError
from core.families.vaes import charts


def bars():
    return pd.DataFrame({"dimension": [3, 0, 1], "kl_nats": [2.0, 1.0, 0.001], "used": [True, True, False]})


def points(n=12):
    angle = np.linspace(0, 6, n)
    return pd.DataFrame(
        {
            "index": range(n),
            "label": np.arange(n) % 10,
            "x": np.cos(angle),
            "y": np.sin(angle),
            "loss": 50.0,
            "neighbour": 3,
        }
    )


def gaps():
    return pd.DataFrame(
        {
            "epoch": [1, 30],
            "gap_nats": [-0.25, 2.18],
            "error_nats": [0.3, 0.24],
            "equal_shares_nats": [-0.4, 1.76],
        }
    )


DIGITS = tuple("0123456789")
CHARTS = {
    "bars": (lambda f: charts.kl_bars(f, ceiling=2.5, threshold=0.01), bars),
    "map": (lambda f: charts.latent_map(f, DIGITS), points),
    "gap": (lambda f: charts.gap_bars(f, epoch=30), gaps),
}


@pytest.mark.parametrize("name", CHARTS)
def test_it_renders_and_leaves_its_table_alone(name):
    make, frame = CHARTS[name][0], CHARTS[name][1]()
    before = frame.copy()
    with alt.data_transformers.disable_max_rows():
        assert make(frame).to_dict(validate=True)["height"]
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("name", CHARTS)
def test_a_missing_column_is_named(name):
    make, frame = CHARTS[name][0], CHARTS[name][1]()
    with pytest.raises(DataError, match=str(frame.columns[0])):
        make(frame.drop(columns=frame.columns[0]))


def test_bars_have_one_scale_and_the_order_of_the_table():
    spec = charts.kl_bars(bars(), ceiling=2.5, threshold=0.01).to_dict()
    bar = spec["layer"][0]["encoding"]
    assert bar["y"]["scale"]["domain"] == [0, 2.5]
    assert bar["x"]["sort"] == ["3", "0", "1"]


def test_the_map_writes_class_numbers_and_names_them_only_where_they_differ():
    plain = charts.latent_map(points(), DIGITS).to_dict()
    assert plain["encoding"]["text"]["field"] == "label"
    assert plain["encoding"]["color"]["legend"] is None
    named = charts.latent_map(points(), ("Shirt", *DIGITS[1:])).to_dict()
    assert "0 Shirt" in named["encoding"]["color"]["legend"]["labelExpr"]


def test_the_gap_is_written_with_its_sign_and_its_error():
    spec = charts.gap_bars(gaps(), epoch=30).to_dict()
    (rows,) = spec["datasets"].values()
    assert [row["written"] for row in rows] == ["−0.25", "+2.18"]
    assert rows[1]["high"] - rows[1]["low"] == pytest.approx(0.48)
