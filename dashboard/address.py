"""What an address asks a page for, and where it asks in vain: said once, for all pages.

A widget whose choice stands in the address ignores one that it does not offer without a word. So whoever offers a
choice here says what can be had, and `say` tells what was asked for and what is shown instead.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.errors import printable
from dashboard.sentences import literal

SHOWN = 120  # characters of what was asked for
_PAGE, _ASKED, _MISSED, _SHOWN = "address-page", "address-asked", "address-missed", "address-shown"


def opened(page: str) -> None:
    """Note what the address asks for when a page opens. Call first, once per script run."""
    st.session_state[_MISSED] = {}
    if st.session_state.get(_PAGE) != page:
        st.session_state[_PAGE] = page
        st.session_state[_ASKED] = {name: st.query_params.get_all(name) for name in st.query_params}
        st.session_state[_SHOWN] = {}


def asked(name: str) -> list[str]:
    """Return what the address asked for when the page was opened; a widget's choice may stand there several times."""
    values: list[str] = st.session_state.get(_ASKED, {}).get(name, [])
    return [value for value in values if value]


def offer(name: str, options: Mapping[Any, str]) -> None:
    """Say what can be had under a name: values of the widget of that key, and how the address calls them."""
    for value in asked(name):
        if value not in options.values():
            _missed()[name] = (value, options)


def choice(name: str, options: Mapping[Any, str]) -> dict[str, Any]:
    """Return what makes a widget offer options and keep its choice in the address, for `st.selectbox` and its like.

    Parameters
    ----------
    name : in the address, and the widget's key.
    options : by value, as readers and the address call it.
    """
    offer(name, options)
    return {"options": list(options), "format_func": options.__getitem__, "key": name, "bind": "query-params"}


def miss(name: str, value: str, shown: str) -> None:
    """Say that a value cannot be had, and what is shown instead."""
    _missed()[name] = (value, shown)


def say() -> None:
    """Tell in one line what was asked for in vain, until the reader chooses something else. Call last."""
    told = [_told(name, *missed) for name, missed in _missed().items()]
    if any(told):
        st.caption(f":material/link_off: The address asks for what is not here: {'; '.join(filter(None, told))}.")


def _missed() -> dict[str, tuple[str, Mapping[Any, str] | str]]:
    missed: dict[str, tuple[str, Mapping[Any, str] | str]] = st.session_state.setdefault(_MISSED, {})
    return missed


def _told(name: str, value: str, instead: Mapping[Any, str] | str) -> str:
    shown = instead if isinstance(instead, str) else _shown(name, instead)
    first = st.session_state[_SHOWN].setdefault(name, shown)
    if shown != first:  # the reader has chosen since
        st.session_state[_ASKED].pop(name, None)
        return ""
    return f"{literal(printable(f'{name}={value}', SHOWN))} (shown: {literal(shown)})"


def _shown(name: str, options: Mapping[Any, str]) -> str:
    """Return what the widget shows, as the address would call it."""
    held = st.session_state.get(name)
    values = held if isinstance(held, list | tuple) else [held]
    return ", ".join(options[value] for value in values if value in options) or "no choice"
