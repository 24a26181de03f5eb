"""`python -m scripts.detect PATH …`: see `scripts.detect.command`."""

import sys

from scripts import environment

if __name__ == "__main__":
    environment.adopt()  # before torch is loaded

    from scripts.detect import command

    sys.exit(command.main())
