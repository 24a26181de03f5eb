"""Colours and marks, once: Human is a blue circle, AI a red diamond, never colour alone (SPEC, Words).

.streamlit/config.toml holds the page's own colours and repeats the two class colours, as it must.
"""

NBSP = "\u00a0"
JOINER = "\u2060"  # has no width; Streamlit looks for `:material/` even in code

HUMAN, AI = "#0077BB", "#CC3311"  # at least 3:1 on both pages, apart for the colour-blind (Tol, vibrant)
NEUTRAL = "#888888"
ACCENT = "#009988"  # one thing that stands out and is neither human nor AI
# Quiet to loud (magma), and below to above zero; .streamlit/config.toml repeats both. Its theme replaces #000001 to
# #000010 in every figure, so magma's own #000004 is a shade off
SEQUENTIAL = [
    "#010005", "#180F3D", "#440F76", "#721F81", "#9E2F7F", "#CD4071", "#F1605D", "#FD9668", "#FECA8D", "#FCFDBF",
]  # fmt: skip
DIVERGING = [
    "#0077BB", "#4795CB", "#82B3DA", "#B5D2E9", "#E3EEF6", "#F9E7E3", "#EFC0B6", "#E4978A", "#D8685A", "#CC3311",
]  # fmt: skip
OVERLAY = "#00E5FF"  # layers over a spectrogram: no colour of magma

COLOURS = {"human": HUMAN, "ai": AI}
SYMBOLS = {"human": "circle", "ai": "diamond"}  # as plotly calls them
NAMES = {"human": "Human", "ai": "AI"}
SIGNS = {"human": "●", "ai": "◆"}
MARKS = {"human": ":blue[●]", "ai": ":red[◆]"}  # Markdown; config.toml makes these blue and red the two above

CHART_CONFIG = {"displayModeBar": False, "displaylogo": False, "showSendToCloud": False}


def labelled(label: str) -> str:
    """Return a class as text with its mark, as Markdown: `:blue[●] Human`."""
    return f"{MARKS[label]} {NAMES[label]}"
