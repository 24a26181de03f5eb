"""Colours and marks, once: Human is a blue circle, AI a red diamond, never colour alone (SPEC, Words).

.streamlit/config.toml holds the page's own colours and repeats the two class colours, as it must.
"""

HUMAN, AI = "#0077BB", "#CC3311"  # at least 3:1 on both pages, apart for the colour-blind (Tol, vibrant)
NEUTRAL = "#888888"

COLOURS = {"human": HUMAN, "ai": AI}
SYMBOLS = {"human": "circle", "ai": "diamond"}  # as plotly calls them
NAMES = {"human": "Human", "ai": "AI"}
SIGNS = {"human": "●", "ai": "◆"}
MARKS = {"human": ":blue[●]", "ai": ":red[◆]"}  # Markdown; config.toml makes these blue and red the two above

CHART_CONFIG = {"displayModeBar": False, "displaylogo": False, "showSendToCloud": False}


def labelled(label: str) -> str:
    """Return a class as text with its mark, as Markdown: `:blue[●] Human`."""
    return f"{MARKS[label]} {NAMES[label]}"
