"""`python -m scripts.detect`: files in, verdicts out.

command  the command line
engine   one process or several
cluster  a Ray cluster
log      the scan's log, with which a killed scan goes on
"""
