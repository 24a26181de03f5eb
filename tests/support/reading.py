"""A page as its script runs it: opened at an address, read as a reader reads it, without a browser."""

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

from streamlit.testing.v1 import AppTest

from core.artifacts import ROOT, Run

KINDS = ("title", "header", "markdown", "caption", "text", "code", "warning", "info", "error")


def opened(page: str = "overview", **query: str) -> AppTest:
    """Return a page of the dashboard in a new session; any traceback fails the test."""
    app = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=120)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    if page != "overview":
        app.switch_page(f"../pages/{page}.py").run()
    assert not app.exception, app.exception
    return app


def words(app: AppTest) -> str:
    """Return everything a reader can read, tables included."""
    said = [str(element.value) for kind in KINDS for element in app.get(kind)]
    said += [f"{metric.label} {metric.value}" for metric in app.metric]
    said += [button.label for button in app.button]
    said += [unescape(re.sub(r"<[^>]+>", " ", body)) for body in drawn(app)]
    return "\n".join([*said, *(frame.value.to_string() for frame in [*app.dataframe, *app.table])])


def drawn(app: AppTest, kind: str = "") -> list[str]:
    """Return the HTML of what a page draws itself: `rows`, a chart, `table`, or both."""
    bodies = [element.proto.body for element in app.get("html")]
    return [body for body in bodies if body.startswith(f'<div class="smd-{kind}')]


def rewrite(run: Run, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Change a run's results file and return what it now holds."""
    value: dict[str, Any] = json.loads(run.results_file.read_text())
    change(value)
    run.results_file.write_text(json.dumps(value))
    return value
