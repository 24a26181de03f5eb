"""The commands: `python -m scripts.NAME --help` says what each does.

demo, test                 from nothing: they make the environment first (environment: how)
pipeline, compare          make runs, and put them side by side
detect, segment            judge files; cut whole tracks into clips
ship                       make a small run to pass on, with its model card (ship_card: its text)
benchmark                  speed and memory, beside the plain way
readme                     write the README's results, and what may be said of them
walkthrough.ipynb          the phases in a notebook
"""
