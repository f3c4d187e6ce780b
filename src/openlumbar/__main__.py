"""``python -m openlumbar`` does what ``openlumbar`` does."""

import sys

from openlumbar.cli import main

sys.exit(main())
