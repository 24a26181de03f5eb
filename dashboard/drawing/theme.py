"""How things look on the pages: Human is a blue circle, AI a red diamond, never colour alone.

The colours themselves stand in `core.palette`.
"""

from core.palette import AI, HUMAN, SIGNS

NBSP = "\u00a0"
JOINER = "\u2060"  # has no width; Streamlit looks for `:material/` even in code

OVERLAY = "#00E5FF"  # layers over a spectrogram: no colour of magma

COLOURS = {"human": HUMAN, "ai": AI}
SYMBOLS = {"human": "circle", "ai": "diamond"}  # as plotly calls them
NAMES = {"human": "Human", "ai": "AI"}
MARKS = {
    "human": f":blue[{SIGNS['human']}]",
    "ai": f":red[{SIGNS['ai']}]",
}  # Markdown; config.toml says how blue and red

# The page's icon: a circle and a diamond. A :material: icon would be fetched from the net
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    f'<circle cx="10" cy="16" r="8" fill="{HUMAN}"/><path d="M23 8l8 8-8 8-8-8z" fill="{AI}"/></svg>\n'
)

CHART_CONFIG = {"displayModeBar": False, "displaylogo": False, "showSendToCloud": False}


def labelled(label: str) -> str:
    """Return a class as text with its mark, as Markdown: `:blue[●] Human`."""
    return f"{MARKS[label]} {NAMES[label]}"
