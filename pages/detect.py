"""U2: somebody's own sound, judged by a run's models, with all that the verdict rests on."""

import streamlit as st

from dashboard import data, detect_models, detect_session, detect_view, detect_window
from dashboard.detect_models import Refused

run = data.current_run()
st.title("Detect", anchor=False)
detect_models.check(run)
detect_view.choose(run)

sound = detect_session.given()
if sound is not None:
    detect_view.given(sound)
    answer = detect_view.ask(run, sound)
    if isinstance(answer, Refused):
        detect_view.refused(answer.error)
    else:
        detect_view.verdict(run, answer.verdict)
        detect_view.downloads(answer.verdict)
        st.header("Over time", anchor=False)
        detect_view.song(answer, run.read_description()[1])
        window = detect_view.timeline(answer)
        evidence = detect_window.show(run, sound, window)
        detect_window.stress(run, sound, window, evidence)
