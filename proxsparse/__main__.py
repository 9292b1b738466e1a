"""``python -m proxsparse``."""

import sys

from .command.cli import main

sys.exit(main())
