"""The commands: `python -m scripts.NAME --help` says what each does."""
