"""``python -m sluiceway_deploy_docker``: keeps one container, for the supervisor."""

from __future__ import annotations

import os
import sys

from sluiceway_deploy_docker.keeper import main

if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(os.environ))
