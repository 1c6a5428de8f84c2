"""``python -m pilot.cli``: how the launcher starts server and worker with the same interpreter."""

import sys

from pilot.cli import main

sys.exit(main())
