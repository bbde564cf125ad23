"""Records the golden incidents anew, all or those named: `python -m tests.golden [CLASS …]`."""

import sys

from tests.golden import CLASSES, record

for name in sys.argv[1:] or CLASSES:
    record(name)
