"""U2: somebody's own sound, judged by a run's models, with all that the verdict rests on."""

import streamlit as st

from dashboard.detect import models as detect_models
from dashboard.detect import session
from dashboard.detect import view as detect_view
from dashboard.detect import window as detect_window
from dashboard.detect.models import Refused
from dashboard.reading import runs

run = runs.current_run()
st.title("Detect", anchor=False)
detect_models.check(run)
detect_view.choose(run)

sound = session.given()
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
        evidence = detect_window.show(run, answer, window)
        detect_window.stress(run, answer, window, evidence)
