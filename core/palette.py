"""The colours that mean something, once: pages, printed figures, report, icon and theme all take them from here.

`.streamlit/config.toml` cannot import anything and repeats them; a test holds it against this file.
"""

HUMAN, AI = (
    "#0077BB",
    "#CC3311",
)  # at least 3:1 on both pages, apart for the colour-blind (Tol, vibrant)
SIGNS = {"human": "●", "ai": "◆"}  # never colour alone: Human is a circle, AI a diamond
NEUTRAL = "#888888"
ACCENT = "#009988"  # one thing that stands out and is neither human nor AI
# Quiet to loud (magma). Streamlit's theme replaces #000001 to #000010 in every figure, so magma's own #000004 is a
# shade off
SEQUENTIAL = [
    "#010005", "#180F3D", "#440F76", "#721F81", "#9E2F7F", "#CD4071", "#F1605D", "#FD9668", "#FECA8D", "#FCFDBF",
]  # fmt: skip
# Below to above zero: from the one class's colour through white to the other's
DIVERGING = [
    HUMAN, "#4795CB", "#82B3DA", "#B5D2E9", "#E3EEF6", "#F9E7E3", "#EFC0B6", "#E4978A", "#D8685A", AI,
]  # fmt: skip
