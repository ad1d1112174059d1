"""httpx without its command line.

``import httpx`` also imports the program ``httpx`` when click, rich and pygments happen to be
installed, which is two thirds of what the import costs. It is the package's optional part, and its
own ``except ImportError`` is what takes effect here.
"""

from __future__ import annotations

import sys

_PROGRAM = "httpx._main"

_keep = _PROGRAM in sys.modules
if not _keep:
    sys.modules[_PROGRAM] = None  # type: ignore[assignment]  # to `import`: there is no such module
try:
    import httpx
finally:
    if not _keep:
        del sys.modules[_PROGRAM]

__all__ = ["httpx"]
