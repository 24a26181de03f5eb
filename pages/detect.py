"""Somebody's own sound, judged by a run's models, with all that the verdict rests on."""

import streamlit as st

from dashboard.detect import models, session, stress, view, window
from dashboard.detect.models import Refused
from dashboard.reading import runs

run = runs.current_run()
st.title("Detect", anchor=False)
models.check(run)
view.choose(run)

sound = session.given()
if sound is not None:
    view.given(sound)
    answer = view.ask(run, sound)
    if isinstance(answer, Refused):
        view.refused(answer.error)
    else:
        view.verdict(run, answer.verdict)
        view.downloads(answer.verdict)
        st.header("Over time", anchor=False)
        view.song(answer, run.read_description()[1])
        chosen = view.timeline(answer)
        evidence = window.show(run, answer, chosen)
        stress.show(run, answer, chosen, evidence)
