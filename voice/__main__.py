"""`python -m voice` is the command `parley`."""

import sys

from voice.cli import main

sys.exit(main())
