"""A small settlement service, standard library only: what the pipeline's demo and tests ship."""

import sys
from pathlib import Path

_HOME = Path(__file__).resolve().parent.parent
# The one dependency is vendored, because an image without RUN cannot install anything.
sys.path.insert(0, str(_HOME / "vendor"))

VERSION = (_HOME / "RELEASE").read_text(encoding="utf-8").strip()
