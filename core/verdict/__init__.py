"""A file and a run in; a verdict with its rule and limits out.

judge     `Judge`: all models of a run, loaded once; one function for page, command and tests
detector  `Detector`: waveforms in, every model's probability out
rule      `read_rule`: from windows to one call for the whole, and the sentences that say so
scope     `fit_scope`, `measure`: whether it is music at all
run       `choose_run`: which run answers, told without loading a model
answer    `Verdict`, `Window`: what comes out
"""
