"""Every detector in numbers: at a threshold that moves everything, against the others, calibrated, in training."""

import streamlit as st

from dashboard import address, selection
from dashboard.models import view
from dashboard.reading import runs
from dashboard.reading.clips import read_clip_table
from dashboard.reading.detectors import read_detectors

PARTS = {
    "threshold": "At a threshold",
    "detectors": "All detectors",
    "calibration": "Calibration",
    "training": "Training",
}

run = runs.current_run()
st.title("Models", anchor=False)
results, clips = runs.results(run), read_clip_table(run)
detectors = read_detectors(run)
part = st.segmented_control(
    "Show", default="threshold", required=True, label_visibility="collapsed", **address.choice("part", PARTS)
)
if part == "training":
    view.training(run)
else:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = "Detector to compare with the others" if part == "detectors" else "Detector"
        model = selection.detector(results, label, width=260)
        if part == "threshold":
            other, split = view.beside(results, model)
    if part == "threshold":
        view.at_a_threshold(run, results, detectors, clips, model, other, split)
    if part == "detectors":
        view.all_detectors(run, results, detectors, model)
    if part == "calibration":
        view.calibration(detectors, model)
