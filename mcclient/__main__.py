"""``python -m mcclient``: the command line, which is in `cli`."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
