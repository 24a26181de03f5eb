"""The dashboard: `streamlit run dashboard/app.py`. The list of pages, the run they show, and the one error handler."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # plain `streamlit run` puts only this file's folder there
    sys.path.insert(0, str(ROOT))

import streamlit as st  # noqa: E402

from core.errors import DetectorError  # noqa: E402
from dashboard import address, components, selection  # noqa: E402
from dashboard.drawing import theme  # noqa: E402
from dashboard.reading import runs  # noqa: E402

PAGES = ROOT / "pages"
NAVIGATION = {
    "overview": "summarize",
    "detect": "graphic_eq",
    "clips": "library_music",
    "map": "scatter_plot",
    "models": "monitoring",
    "audit": "rule",
    "attention": "visibility",
    "robustness": "shield",
    "report": "description",
}

st.set_page_config(page_title="Synthetic Music Detector", page_icon=theme.ICON, layout="wide")
st.html(ROOT / "dashboard/page.css")
page = st.navigation(
    [
        st.Page(PAGES / f"{name}.py", title=name.title(), icon=f":material/{icon}:", default=name == "overview")
        for name, icon in NAVIGATION.items()
    ]
)
address.opened(page.url_path)
try:
    components.choose_run()
    selection.keep()
    beside, notes = st.sidebar.container(), st.container()
    if runs.is_demo(runs.current_run()):
        components.demo_notice()
    if runs.current_run().shipped:
        components.shipped_notice()
    try:
        page.run()
    finally:  # pages may stop early, and may select
        selection.keep()
        with beside:
            components.selected_clip()
        with notes:
            address.say()
except DetectorError as error:
    components.show_error(error)
