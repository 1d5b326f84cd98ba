"""Controls belong to their chapter: no value reaches another page, and the address opens what is on screen.

Every chapter of the registry that has a page is in these tests by being registered, over the runs that ship.
"""

from functools import cache

import pytest

from pages._ui.shell import navigation as atlas
from tests.pages.screen import open_page, script_of, texts

CHAPTERS = [one.name for members in atlas.chapters().values() for one in members]
WIDGETS = (
    "select_slider",
    "slider",
    "selectbox",
    "radio",
    "segmented_control",
    "multiselect",
    "toggle",
    "number_input",
)


@pytest.fixture(autouse=True)
def own_runs(runs_root):
    return runs_root


def go(app, name, **query):
    """Open a chapter as the navigation does, without parameters, or by a link with some."""
    app.query_params.clear()
    app.query_params.update(query)
    app.switch_page(f"pages/{name}.py").run()
    assert not app.exception, app.exception
    return app


def controls(app, name):
    """Return the chapter's own widgets by control name, the training form's left out."""
    found = {}
    for kind in WIDGETS:
        for one in app.get(kind):
            if str(one.key).startswith(f"{name}:"):
                found[one.key.partition(":")[2]] = one
    return {key: one for key, one in found.items() if not key.startswith(f"{name}.")}


def said(app, name):
    return {key: one.value for key, one in controls(app, name).items()}


@cache
def untouched(name):
    """Return what a chapter's controls say when nobody has touched any."""
    return said(open_page(name), name)


def another(one):
    """Return a value of the widget that is not the one it has."""
    kind = one.type
    if kind == "toggle":
        return not one.value
    if kind == "multiselect":
        return one.value[1:] or one.options[:1]
    if kind in {"slider", "number_input"}:
        return one.min if one.value != one.min else one.value + one.step
    values = list(one.options)
    chosen = one.format_func(one.value) if kind == "selectbox" and one.value is not None else str(one.value)
    return values[0] if chosen != values[0] else values[-1]


def disturb(app, name):
    """Open what can be opened and set every control to another value, the run last of all left as it is."""
    for key in ("probe", "lab"):
        app.session_state[f"{name}:{key}"] = True
    app.run()
    for key in list(controls(app, name)):
        one = controls(app, name).get(key)
        if one is None or key in {"run", "lab", "probe"} or one.disabled:
            continue
        one.set_value(another(one)).run()
        assert not app.exception, (key, app.exception)
    return app


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapters_controls_are_its_own_outlive_a_visit_and_travel_by_link(name):
    app = disturb(open_page(name), name)
    mine, address = said(app, name), dict(app.query_params)
    assert mine != untouched(name)
    for other in (one for one in CHAPTERS if one != name):
        go(app, other)
        assert said(app, other) == untouched(other)
        assert app.query_params == {}
    go(app, name)
    assert said(app, name) == mine
    assert app.query_params == address
    assert said(open_page(name, **address), name) == mine


@pytest.mark.parametrize("name", CHAPTERS)
@pytest.mark.parametrize("asked", ["own/vae/gone", "../../etc/passwd", "**bold** [x](http://example.org)"])
def test_a_run_that_is_not_here_is_named(name, asked):
    app = open_page(name, run=asked)
    (line,) = [one.value for one in app.caption if "was asked for" in one.value]
    assert "**bold**" not in line
    line = line.replace("\\", "")
    assert "there is no such run of this chapter on this machine" in line
    assert "Shown: Shipped" in line
    assert "run" not in app.query_params


@pytest.mark.parametrize("name", CHAPTERS)
@pytest.mark.parametrize("asked", ["inf", "-inf", "1e309", "nan", "9" * 400, "1e3", "²", "0x10", ""])
def test_no_number_of_a_link_breaks_a_page(name, asked):
    query = {f"{name}.epochs": asked, f"{name}.seed": asked, "epoch": asked, f"{name}.learning_rate": asked}
    app = open_page(name, **query)
    assert app.number_input(key=f"{name}:{name}.epochs").value > 0
    assert ("was asked for" in texts(app)) == bool(asked)


def editions():
    import streamlit as st

    from pages._ui.controls import links

    links.arrive("page")
    for edition in ("", "12"):
        links.control(st.select_slider, "Epoch", [1, 2, 12], key="vae.epoch", edition=edition)
        st.text(f"{links.key_of('vae.epoch')} {links.name_of(links.key_of('vae.epoch'))}")


def test_the_name_of_a_control_is_found_in_its_key_of_any_edition():
    at = script_of(editions).run()
    assert not at.exception
    assert [one.value for one in at.text] == ["page:vae.epoch vae.epoch", "page:vae.epoch:12 vae.epoch"]


def test_a_run_to_draw_beside_that_is_not_here_is_named():
    for name in CHAPTERS:
        said = texts(open_page(name, **{"with": "own/gone"})).replace("\\", "")
        assert "“own/gone” was asked for" in said, name
