"""Controls and the URL: every control is a query parameter, and whatever comes from the URL is checked.

Streamlit binds a keyed widget to the query parameter of its key. What the widget then returns came from the
browser, so it is checked again here against what the control offers. Values that are no widget of their own
(the run, the job) are read and written by :func:`read` and :func:`write`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

Widget = Callable[..., Any]

CHOICES = {"selectbox", "radio", "select_slider", "segmented_control", "pills", "multiselect"}
NUMBERS = {"slider", "number_input"}


def control(widget: Widget, label: str, *args: Any, key: str, **kwargs: Any) -> Any:
    """Show a Streamlit input widget bound to the query parameter ``key`` and return its checked value.

    Parameters
    ----------
    widget
        A Streamlit command such as ``st.slider``, ``st.selectbox``, ``st.segmented_control`` or ``st.toggle``.
    label
        The widget's label.
    args, kwargs
        Passed on. The options of a choice are written to the URL as they are shown, so keep them short.
    key
        Name of the query parameter: short, lower case, unique on the page.

    Returns
    -------
    Any
        The widget's value; its default if the browser sent one that the control does not offer.
    """
    _forget_unfit(widget, key, args, kwargs)
    value = widget(label, *args, key=key, bind="query-params", **kwargs)
    return value if _fits(widget, value, args, kwargs) else _default(widget, args, kwargs)


def _name(widget: Widget) -> str:
    return getattr(widget, "__name__", "")


def _options(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
    return list(kwargs["options"] if "options" in kwargs else args[0] if args else ())


def _bounds(widget: Widget, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
    low = kwargs.get("min_value", args[0] if args else (0 if _name(widget) == "slider" else None))
    high = kwargs.get("max_value", args[1] if len(args) > 1 else (100 if _name(widget) == "slider" else None))
    return low, high


def _fits(widget: Widget, value: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    values = list(value) if isinstance(value, tuple | list) else [value]
    if _name(widget) in CHOICES:
        options = _options(args, kwargs)
        return all(one in options or (one is None and not kwargs.get("required")) for one in values)
    if _name(widget) in NUMBERS:
        low, high = _bounds(widget, args, kwargs)
        return all(one is None or ((low is None or one >= low) and (high is None or one <= high)) for one in values)
    return True


def _default(widget: Widget, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    if "value" in kwargs or "default" in kwargs:
        return kwargs.get("value", kwargs.get("default"))
    if _name(widget) in NUMBERS and len(args) > 2:
        return args[2]
    if _name(widget) in CHOICES:
        options = _options(args, kwargs)
        if _name(widget) == "multiselect":
            return []
        return options[kwargs.get("index") or 0] if options and _name(widget) in {"selectbox", "radio"} else None
    return _bounds(widget, args, kwargs)[0]


def _forget_unfit(widget: Widget, key: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Drop a remembered value that the control no longer offers, before Streamlit refuses it."""
    if key in st.session_state and not _fits(widget, st.session_state[key], args, kwargs):
        del st.session_state[key]


def read(name: str) -> str | None:
    """Return a query parameter, or None if it is absent or empty; at most 200 characters."""
    return (st.query_params.get(name) or "")[:200] or None


def write(name: str, value: str | None) -> None:
    """Set a query parameter, or remove it with None; does nothing if that is what it is."""
    if value is None:
        if name in st.query_params:
            del st.query_params[name]
    elif st.query_params.get(name) != value:
        st.query_params[name] = value


def follow(name: str, allowed: Sequence[str], default: str | None) -> str | None:
    """Return which of ``allowed`` is chosen, and make the widget of key ``_<name>`` agree with the URL.

    The URL wins when it has changed since the last run of the script (a link, the browser's back button);
    the widget wins when the reader has just used it.
    """
    key, seen = f"_{name}", f"_{name}_in_url"
    url = read(name)
    if key not in st.session_state or url != st.session_state.get(seen):
        st.session_state[key] = url if url in allowed else default
    if st.session_state[key] not in allowed:
        st.session_state[key] = default
    chosen: str | None = st.session_state[key]
    write(name, None if chosen == default and url is None else chosen)
    st.session_state[seen] = read(name)
    return chosen


def set_controls(values: Mapping[str, Any]) -> None:
    """Set controls by key, and the run or the job by name: for callbacks, which run before the script."""
    for key, value in values.items():
        st.session_state[f"_{key}" if key in {"run", "job"} else key] = value


def deep_link(extra: Mapping[str, Any] | None = None, drop: Iterable[str] = ()) -> str:
    """Return the address of what is shown now: page and every query parameter, with ``extra`` ones added."""
    values: dict[str, Any] = {name: st.query_params.get_all(name) for name in st.query_params if name not in set(drop)}
    values.update(extra or {})
    base = (st.context.url or "").split("?")[0]
    return f"{base}?{urlencode(values, doseq=True)}" if values else base
