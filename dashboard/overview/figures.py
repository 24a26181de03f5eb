"""Charts of the Overview: each detector's AUC, and the clips of each class that it calls rightly. Values to chart."""

from collections.abc import Sequence
from typing import Any

from core import palette
from dashboard.drawing import theme
from dashboard.drawing.row_charts import Chart, Line, Row, class_mark, mark, start
from dashboard.reading.results import Model


def auc_chart(models: Sequence[Model], headline: Model) -> Chart:
    """Draw each detector's AUC with its interval; the headline's mark is filled."""
    look: dict[bool, dict[str, Any]] = {True: {"colour": palette.ACCENT}, False: {"filled": False}}
    rows = tuple(
        Row(model.name, (mark(model.scores["roc_auc"], model.name, **look[model is headline]),)) for model in models
    )
    return Chart(rows=rows, low=start(rows, 0.5), lines=(Line(0.5),))


def recall_chart(models: Sequence[Model]) -> Chart:
    """Draw, per detector and class, the share of clips called rightly, with its interval."""
    rows = tuple(
        Row(
            model.name,
            tuple(
                class_mark(model.scores[f"recall_{label}"], label, f"{model.name}, {name}")
                for label, name in theme.NAMES.items()
            ),
        )
        for model in models
    )
    return Chart(rows=rows, low=start(rows), percent=True)
