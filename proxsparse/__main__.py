"""``python -m proxsparse``."""

import sys

from .cli import main

sys.exit(main())
