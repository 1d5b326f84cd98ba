"""Controls and the URL: every control belongs to its chapter, lives in the session and is written into the address.

A control has a name, which is its query parameter (``epoch``), and a widget key that its chapter's name begins
(``vae:epoch``): no two chapters share a widget, and a value never reaches another chapter's. What a chapter's controls
say is kept in the session, so that it outlives a visit to another page, and in the address, so that a link opens it.

Who wins: the address where it has changed since this chapter last wrote it (a link, the browser's Back and Forward);
else the reader's hand; else what was kept; else the control's default. An address without any parameter is the
navigation's and keeps what was kept. A value at its default is not written and follows the default when that moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.words import as_text
from pages._ui.controls.offers import Offer, offer_of

Widget = Callable[..., Any]
Query = dict[str, list[str]]

KEPT, CHAPTER, WRITTEN = "_controls", "_chapter", "_address"
SHARED = {"job"}  # what belongs to the reader, whatever the page
UNTOUCHED = object()

# Where this run of the script shows its link and its remarks: each run has a thread, and so a context, of its own.
_link: ContextVar[Any] = ContextVar("link", default=None)
_remarks: ContextVar[Any] = ContextVar("remarks", default=None)


@dataclass
class Kept:
    """What the controls of one chapter say, for one reader.

    ``shown`` holds each value with the default beside it, ``texts`` what the address says of it, ``asked`` the names
    in an address that no control has taken up yet, ``pins`` what a copied link says although it is a default,
    ``remarks`` what was not honoured, and ``keys`` the widget that shows a control now where it has editions.
    """

    shown: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    texts: Query = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    pins: Query = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


def chapter() -> str:
    """Return the chapter whose page is shown."""
    return str(st.session_state.get(CHAPTER, "page"))


def key_of(name: str) -> str:
    """Return the widget key of a control of this chapter: ``vae:epoch``, or with its edition ``vae:epoch:12``."""
    return _kept().keys.get(name, f"{chapter()}:{name}")


def name_of(key: str) -> str:
    """Return the name of the control that has a widget key: ``epoch`` of ``vae:epoch:12``."""
    return key.split(":")[1]


def _kept() -> Kept:
    every: dict[str, Kept] = st.session_state.setdefault(KEPT, {})
    return every.setdefault(chapter(), Kept())


def arrive(name: str) -> None:
    """Begin a page: make the controls and the address agree. ``name`` is the chapter's, or "" for other pages."""
    came_back, query = _address()
    moved = st.session_state.get(CHAPTER) != name
    changed = query != st.session_state.get(WRITTEN)
    st.session_state[CHAPTER] = name
    kept = _kept()
    kept.pins.clear()
    _link.set(None)
    _remarks.set(None)
    if (moved and (query or came_back)) or (not moved and changed):
        _adopt(kept, query)
    elif moved:
        kept.remarks.clear()
        if kept.texts:
            st.query_params.update(kept.texts)
    st.session_state[WRITTEN] = _query()


def _adopt(kept: Kept, query: Query) -> None:
    """Take over an address: what it does not say is at its default."""
    kept.shown.clear()
    kept.remarks.clear()
    kept.texts, kept.asked = dict(query), set(query)
    for key in [one for one in st.session_state if str(one).startswith(f"{chapter()}:")]:
        del st.session_state[key]


def _query() -> Query:
    return {name: st.query_params.get_all(name) for name in st.query_params if name not in SHARED}


def _address() -> tuple[bool, Query]:
    """Return whether the browser went back or forward to this page, and its parameters.

    Streamlit refreshes ``st.query_params`` on a change of page only, so within a page they are read from the request.
    """
    context = get_script_run_ctx()
    came_back = context is not None and context.is_history_navigation
    if context is not None and came_back:
        said = parse_qs(context.query_string, keep_blank_values=True)
        if said != {name: st.query_params.get_all(name) for name in st.query_params}:
            st.query_params.from_dict(said)
    return came_back, _query()


def control(
    widget: Widget,
    label: str,
    *args: Any,
    key: str,
    pin: bool = False,
    nearest: bool = False,
    why: Callable[[str], str] | None = None,
    edition: str = "",
    former: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> Any:
    """Show a Streamlit input widget that belongs to this chapter and to the address; return its checked value.

    Parameters
    ----------
    widget
        A Streamlit command such as ``st.slider``, ``st.selectbox``, ``st.segmented_control`` or ``st.toggle``.
    label
        The widget's label.
    args, kwargs
        Passed on. The options of a choice are written to the URL as text, so keep them short.
    key
        The control's name, which is its query parameter: short, lower case, unique in the chapter.
    pin
        Whether a copied link names the value even where it is the default.
    nearest
        Whether a value that is no longer offered becomes the nearest number that is; else the default.
    why
        Returns why a value asked for is not shown, given its text; else the offer says it.
    edition
        Makes another widget of the control where it differs, as where a default moves by itself: what the browser still
        says of the widget before, which is then the old default, is not taken for the reader's hand.
    former
        Former names of choices, which older links use, with the present ones.

    Returns
    -------
    Any
        The widget's value; its default if the browser sent one that the control does not offer.
    """
    offer = replace(offer_of(widget, args, kwargs), former=former or {})
    value = _settled(key, label, offer, nearest, why)
    if edition:
        _kept().keys[key] = f"{chapter()}:{key}:{edition}"
    else:
        _kept().keys.pop(key, None)
    widget_key = key_of(key)
    if widget_key not in st.session_state or st.session_state[widget_key] != value:
        st.session_state[widget_key] = value
    said = widget(label, *args, key=widget_key, **kwargs)
    said = said if offer.fits(said) else value
    put(key, said, offer, pin=pin)
    return said


def section(label: str, *, key: str, icon: str) -> Any:
    """Return an expander that belongs to this chapter and to the address, as a control does: ``.open`` says whether."""
    offer = Offer("switch", False)
    widget_key = key_of(key)
    value = _settled(key, label, offer, False, None)
    if widget_key not in st.session_state or st.session_state[widget_key] != value:
        st.session_state[widget_key] = value
    box = st.expander(label, key=widget_key, icon=icon, on_change="rerun")
    put(key, bool(box.open), offer)
    return box


def renamed(name: str, former: str) -> None:
    """Let an address that uses a control's former name mean its present one."""
    kept = _kept()
    if former not in kept.asked:
        return
    kept.asked.discard(former)
    texts = kept.texts.pop(former)
    _set_parameter(former, [])
    if name not in kept.asked:
        kept.asked.add(name)
        kept.texts[name] = texts
        _set_parameter(name, texts)
    st.session_state[WRITTEN] = _query()


def get(name: str, offer: Offer, label: str = "") -> Any:
    """Return the value of something in the address that is no widget, checked against what is offered."""
    value = _settled(name, label or name, offer, False, None)
    put(name, value, offer)
    return value


def put(name: str, value: Any, offer: Offer, *, pin: bool = False) -> None:
    """Keep a value and write it into the address, or out of it where it is the default."""
    kept = _kept()
    before = kept.shown.get(name)
    if before is not None and before[0] != value:
        kept.remarks.pop(name, None)
        _show_remarks()
    kept.shown[name] = (value, offer.default)
    kept.asked.discard(name)
    if pin:
        kept.pins[name] = offer.texts(value)
    else:
        kept.pins.pop(name, None)
    _publish(name, [] if value == offer.default else offer.texts(value))


def _settled(name: str, label: str, offer: Offer, nearest: bool, why: Callable[[str], str] | None) -> Any:
    """Return the value that a control shows now, and remark on what cannot be shown."""
    kept = _kept()
    before = kept.shown.get(name)
    if name in kept.asked:
        texts = kept.texts.get(name, [])
        value, reason = offer.read(texts)
        if reason:
            _remark(name, label, ", ".join(texts), why(texts[-1]) if why else reason, offer.in_words(value))
        return value
    value = st.session_state.get(key_of(name), before[0] if before else offer.default)
    if before is not None and value == before[0] == before[1]:
        return offer.default
    if offer.fits(value):
        return value
    numbers = [one for one in offer.options if isinstance(one, int | float)]
    if nearest and numbers and isinstance(value, int | float):
        return min(numbers, key=lambda one: abs(one - value))
    if why is not None and before is not None:
        _remark(name, label, str(value), why(str(value)), offer.in_words(offer.default))
    return offer.default


def _remark(name: str, label: str, asked: str, reason: str, shown: str) -> None:
    asked = asked if len(asked) <= 60 else asked[:60] + "…"
    _kept().remarks[name] = f"{label} “{asked}” was asked for, but {reason}. Shown: {shown}."
    _show_remarks()


def refuse(name: str, label: str, offer: Offer, reason: str, shown: str) -> None:
    """Drop a value that :func:`get` gave and that turns out not to be possible, and say so in a line."""
    value = _kept().shown[name][0]
    put(name, offer.default, offer)
    _remark(name, label, str(value), reason, shown)


def unavailable(name: str, label: str, reason: str) -> None:
    """Say that what an address asks of a control cannot be shown, because the control is not here."""
    kept = _kept()
    if name not in kept.asked:
        return
    texts = kept.texts.get(name, [])
    kept.asked.discard(name)
    _publish(name, [])
    if any(texts):
        _remark(name, label, ", ".join(texts), reason, "none")


def remarks() -> None:
    """Show here what of the address was not honoured, a line each; lines that come later in the script included."""
    _remarks.set(st.empty())
    _show_remarks()


def _show_remarks() -> None:
    place = _remarks.get()
    if place is None:
        return
    lines = list(_kept().remarks.values())
    if not lines:
        place.empty()
        return
    with place.container(gap="xxsmall"):
        for line in lines:
            st.caption(f":material/link_off: {as_text(line)}")


def read(name: str) -> str | None:
    """Return a query parameter that all pages share, or None if it is absent or empty; at most 200 characters."""
    return (st.query_params.get(name) or "")[:200] or None


def write(name: str, value: str | None) -> None:
    """Set a query parameter that all pages share, or remove it with None; does nothing if that is what it is."""
    _set_parameter(name, [] if value is None else [value])


def _publish(name: str, texts: list[str]) -> None:
    kept = _kept()
    if texts:
        kept.texts[name] = texts
    else:
        kept.texts.pop(name, None)
    _set_parameter(name, texts)
    st.session_state[WRITTEN] = _query()
    _show_link()


def _set_parameter(name: str, texts: list[str]) -> None:
    if st.query_params.get_all(name) == texts:
        return
    if texts:
        st.query_params[name] = texts
    else:
        del st.query_params[name]


def set_controls(values: Mapping[str, Any]) -> None:
    """Set controls of this chapter by name: for callbacks, which run before the script."""
    kept = _kept()
    for name, value in values.items():
        kept.shown[name] = (value, UNTOUCHED)
        kept.asked.discard(name)
        kept.remarks.pop(name, None)
        st.session_state[key_of(name)] = value


def reset_controls(*names: str) -> None:
    """Let controls of this chapter go back to their defaults: for callbacks, which run before the script."""
    kept = _kept()
    for name in names:
        for known in (kept.shown, kept.remarks, kept.texts, kept.pins):
            known.pop(name, None)
        kept.asked.discard(name)
        st.session_state.pop(key_of(name), None)
        _set_parameter(name, [])
    st.session_state[WRITTEN] = _query()


def deep_link() -> str:
    """Return the address of what is shown now: page, run, epoch and every control that is not at its default."""
    values = {**_kept().pins, **_query()}
    base = (st.context.url or "").split("?")[0]
    return f"{base}?{urlencode(values, doseq=True)}" if values else base


def copy_link() -> None:
    """Show the button that opens the link to what is shown; the link is made when it is opened, and kept up to date."""
    place = st.popover(
        "Link",
        icon=":material/link:",
        help="A link to exactly what is shown",
        key=f"{chapter()}-link",
        on_change="rerun",
    )
    with place:
        st.caption("This address opens this page with this run, this epoch and these controls.")
        if place.open:
            _link.set(st.empty())
            _show_link()


def _show_link() -> None:
    place = _link.get()
    if place is not None:
        place.code(deep_link(), language=None, wrap_lines=True)
