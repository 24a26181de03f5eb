"""`python -m scripts.benchmark`: every step beside the plain way to do it, in one run, as ratios.

command    the command line and the steps
rounds     one worker a way, in turns: medians and ratios
read       reading and preparing
models     networks and embeddings
detect     scans
dashboard  the dashboard in a browser
browser    the browser and the server it talks to
repeated   a run's rows over and over
"""
