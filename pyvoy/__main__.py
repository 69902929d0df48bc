"""`python -m pyvoy`: the same as the `pyvoy` command."""

import sys

from pyvoy.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
