"""`python -m web` is `parley`."""

import sys

from web.cli import main

sys.exit(main())
