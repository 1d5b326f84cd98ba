"""Points in the forms that people's files have: read equal, or refused with the reason, never read differently."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.data.point_files import MAX_BYTES, read_points
from core.data.points import MAX_POINTS, own_points
from core.errors import DataError

POINTS = np.array([[0.1, 0.2], [0.3, 0.4], [0.75, 0.5]])
FRAME = pd.DataFrame(POINTS, columns=["x", "y"])


def saved(**options):
    file = io.BytesIO()
    np.savetxt(file, POINTS, **options)
    return file.getvalue().decode()


FORMS = {
    "plain": "0.1,0.2\n0.3,0.4\n0.75,0.5\n",
    "header": FRAME.to_csv(index=False),
    "pandas with row numbers": FRAME.to_csv(),
    "pandas without names": pd.DataFrame(POINTS).to_csv(),
    "pandas without header": FRAME.to_csv(header=False),
    "pandas saved twice": "Unnamed: 0,x,y\n0,0.1,0.2\n1,0.3,0.4\n2,0.75,0.5\n",
    "pandas shuffled": FRAME.set_index(pd.Index([7, 2, 9])).to_csv(),
    "pandas named index": FRAME.rename_axis("index").to_csv(),
    "pandas decimal comma": FRAME.to_csv(sep=";", decimal=",", index=False),
    "pandas quoted decimal comma": FRAME.to_csv(decimal=",", index=False),
    "pandas as shown": FRAME.to_string(),
    "pandas as shown without names": pd.DataFrame(POINTS).to_string(),
    "numpy": saved(),
    "numpy commas": saved(delimiter=","),
    "numpy commas and space": saved(delimiter=", "),
    "numpy tabs": saved(delimiter="\t", fmt="%.3f"),
    "numpy header": saved(header="x y", footer="end"),
    "numpy header the other way round": "# y x\n" + "\n".join(f"{y} {x}" for x, y in POINTS),
    "R": '"x" "y"\n"1" 0.1 0.2\n"2" 0.3 0.4\n"3" 0.75 0.5\n',
    "R, European": '"";"x";"y"\n"1";0,1;0,2\n"2";0,3;0,4\n"3";0,75;0,5\n',
    "Excel, European": "sep=;\r\nx;y\r\n0,1;0,2\r\n0,3;0,4\r\n0,75;0,5\r\n",
    "Excel, empty columns and rows": "x,y,,\r\n0.1,0.2,,\r\n0.3,0.4,,\r\n0.75,0.5,,\r\n,,,\r\n",
    "mark, tabs, old line ends": "\ufeffX\tY\r0.1\t0.2\r0.3\t0.4\r0.75\t0.5",
    "aligned, decimal commas": "  x     y\n 0,1   0,2\n 0,3   0,4\n 0,75  0,5 \n",
    "decimal commas, spaces": "0,1 0,2\n0,3 0,4\n0,75 0,5",
    "decimal commas, tabs, labels": "name\tx\ty\na b\t0,1\t0,2\nc\t0,3\t0,4\nd\t0,75\t0,5",
    "labels between": "0,1 a 0,2\n0,3 b 0,4\n0,75 c 0,5",
    "text column": "kind;0.1;0.2\nkind;0.3;0.4\nkind, too;0.75;0.5",
    "columns named, other order": "label,y,x,t\na,0.2,0.1,9\nb,0.4,0.3,8\nc,0.5,0.75,7",
    "other names": "first,second\n0.1,0.2\n0.3,0.4\n0.75,0.5",
    "quoted": '"x","y"\n"0.1","0.2"\n"0.3","0.4"\n"0.75","0.5"',
    "exponents": "1e-1,2E-01\n3.0e-1,4.e-1\n+.75,5D-1",
    "comments": "% made by hand\n\n0.1 0.2\n# half way\n0.3 0.4\n0.75 0.5\n\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_points_in_any_form_read_equal(form):
    found = read_points(FORMS[form].encode())
    assert found.points == pytest.approx(POINTS, abs=1e-12)
    assert found.rows == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n0.1,0.2\n", "1 row read, x from “a”, y from “b”."),
        ("0.1;0.2\n0.3;0.4\n", "2 rows read, x from column 1, y from column 2."),
        (",0,1\n0,0.1,0.2\n1,0.3,0.4\n", "2 rows read, x from “0”, y from “1”."),
        ("# made by hand\ny x\n10 20\n30 40\n", "2 rows read, x from “x”, y from “y”; 1 comment line left out; moved"),
    ],
)
def test_it_says_what_was_read(text, said):
    assert str(read_points(text.encode())).startswith(said)


def test_a_cloud_outside_is_fitted():
    found = read_points(b"10,10\n20,20\n")
    assert found.points == pytest.approx(np.array([[0.1, 0.1], [0.9, 0.9]]))
    assert found.notes == ("moved and scaled into the square",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "there are no points"),
        (b"x,y\n", "there are no points"),
        (b"\n\n\n", "there are no points"),
        (b"# 0.1,0.2\n", "there are no points"),
        (b"1\n2\n", "line 1 has 1 column"),
        (b"0.1,0.2\n0.3,oops\n", "line 2: 'oops' is no number"),
        (b"0.1,0.2\n0.3\n", "line 2 has 1 column"),
        (b"0.1,0.2\n0.3,\n", "line 2: column 2 is empty"),
        (b"# x\nx,y\n\n0.1,0.2\n0.3,1_000\n", "line 5: '1_000' is no number"),
        (b"0.1,nan\n", "not a usable number"),
        (b"0.1,inf\n0.2,0.3\n", "not a usable number"),
        (b"1e308,1\n-1e308,2\n", "not a usable number"),
        (b"0,1\n0.5,0.25\n", "the first line, 0, 1, may be a header or a point"),
        (b"0;1\n0,5;0,25\n", "the first line, 0, 1, may be a header or a point"),
        (b"1,250;2,500\n3,000;1,000\n", "1,250 in column 1 may be a decimal or a thousand"),
        (b'"1,250","2,500"\n', "may be a decimal or a thousand"),
        (b"1,5;2\n1.5;3\n", "mixes decimal points and commas"),
        (b"1.250,5;2\n1,5;3\n", "'1.250,5' is no number"),
        (b"0,1,0,2\n0,3,0,4\n", "4 columns of numbers"),
        (b"a,b,c\n1,2,3\n2,5,7\n9,1,3", "3 columns of numbers (“a”, “b”, “c”)"),
        (b"x,y,x\n1,2,3\n5,6,7", "3 columns of numbers"),
        (b"1,5;2,5\noops;3,5\n", "line 2: 'oops' is no number"),
        (b"1,5;2,5\n3,5;1;7,5\n", "line 2 has 3 columns where 2 are expected"),
        (b",x\n0,0.5\n1,0.7\n", "1 column of numbers"),
        (b"\xff\xfe\x00\x01", "no UTF-8 text"),
        (b"0.1,0.2\x00\n", "binary"),
        (b"=cmd|'/c calc'!A1,0.2\n0.1,0.2\n0.3,=HYPERLINK(1)\n", "line 1"),
        (b'"' * 3001 + b",1\n", "there are no points|no readable CSV"),
        (b"1," + b"9" * 200_000 + b"\n", "no readable CSV|not a usable number"),
        (b"1,2\n" * (MAX_BYTES // 4 + 1), "bytes"),
        (b"1\n" * 300_000, "more than 200,000 rows"),
    ],
)
def test_what_has_no_one_meaning_is_refused_in_one_clear_line(content, message):
    with pytest.raises(DataError) as caught:
        read_points(content)
    assert any(part in str(caught.value) for part in message.split("|"))
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=400))
def test_any_bytes_read_or_are_refused(content):
    try:
        found = read_points(content)
    except DataError:
        return
    assert ((found.points >= 0) & (found.points <= 1)).all()
    assert 1 <= len(found.points) <= MAX_POINTS


WRITERS = {
    "shortest": repr,  # as pandas and JSON write them
    "fixed": lambda value: f"{value:.6f}",
    "exponent": lambda value: f"{value:.12e}",
    "capital exponent": lambda value: f"{value:+.12E}",
    "as a spreadsheet": lambda value: f"{value:.15g}",  # whole numbers without a point
}


@st.composite
def files(draw):
    """Points, and a file that a program might have written of them; separator and decimal mark never the same."""
    whole = st.integers(-3000, 3000).map(float)
    decimals = st.integers(-4_000_000, 4_000_000).map(lambda number: number / 1000)
    points = draw(st.lists(st.tuples(draw(st.sampled_from([whole, decimals])), decimals), min_size=1, max_size=8))
    write = WRITERS[draw(st.sampled_from(sorted(WRITERS)))]
    separator = draw(st.sampled_from([",", ", ", ";", "\t", " ", "   ", " ; "]))
    comma = draw(st.booleans())
    quote = '"' if comma and "," in separator else draw(st.sampled_from(["", '"']))
    swapped, index, label = draw(st.booleans()), draw(st.sampled_from([None, 0, 1])), draw(st.booleans())
    names = draw(st.sampled_from([None, ("x", "y"), ("X", " Y "), ("0", "1"), ("left", "right")]))
    if names is None or names[0].casefold() != "x":
        swapped = False  # nobody could tell
    header = None if names is None else [*names]
    rows = [[write(x), write(y)] for x, y in points]
    if comma:
        rows = [[cell.replace(".", ",") for cell in row] for row in rows]
    if swapped:
        rows, header = [row[::-1] for row in rows], None if header is None else header[::-1]
    if index is not None:
        rows = [[str(number + index), *row] for number, row in enumerate(rows)]
        above = draw(st.sampled_from([[""], ["index"], ["Unnamed: 0"]])) if separator.strip() else ["index"]
        header = None if header is None else [*above, *header]
    if label:
        rows, header = [[*row, "kind"] for row in rows], None if header is None else [*header, "label"]
    lines = [separator.join(f"{quote}{cell}{quote}" for cell in row) for row in rows]
    if header is not None:
        spaced = quote or ('"' if not separator.strip() else "")
        lines.insert(0, separator.join(f"{spaced}{cell}{spaced}" for cell in header))
    if draw(st.booleans()):
        lines.insert(0, "# saved by hand")
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = end.join(lines) + draw(st.sampled_from(["", end, end + end]))
    return points, (draw(st.sampled_from(["", "\ufeff"])) + text).encode()


@given(files())
@example(([(0.0, 1.0), (2.0, 3.0)], b"0,1\n2,3\n"))
def test_a_generated_form_is_read_equal_or_refused(made):
    points, content = made
    try:
        found = read_points(content)
    except DataError:
        return
    assert found.rows == len(points)
    assert found.points == pytest.approx(own_points(points, fit=True).points, abs=1e-9), content


def test_most_of_what_programs_write_is_read():
    """The generated forms are seldom refused: this counts how many of the plain ones are (none)."""
    frame = pd.DataFrame([[12.5, -3.25], [0.0, 1.0], [7.0, 4.125]], columns=["x", "y"])
    wanted = own_points(frame.to_numpy(), fit=True).points
    for separator in (",", ";", "\t", " "):
        for decimal in (".", ","):
            for index in (True, False):
                content = frame.to_csv(sep=separator, decimal=decimal, index=index).encode()
                assert read_points(content).points == pytest.approx(wanted), content
