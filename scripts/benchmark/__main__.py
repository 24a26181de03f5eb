"""`python -m scripts.benchmark [STEP …]`: see `scripts.benchmark.command`."""

import sys

from scripts.benchmark import command

if __name__ == "__main__":
    sys.exit(command.main())
