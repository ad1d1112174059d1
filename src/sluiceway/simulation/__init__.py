"""Drawn traffic for canaries that never ran: how often would a rule be wrong, how soon right?

Needs numpy (``pip install "sluiceway[simulate]"``); importing this does not. Traffic is drawn for
many runs at once (:mod:`~sluiceway.simulation.drawing`); each is judged by the same pure functions
that judge a real canary. Nothing here decides a real one.
"""

from __future__ import annotations

from importlib.util import find_spec

from sluiceway.errors import ConfigurationError

__all__ = ["require"]


def require() -> None:
    """Refuse in words where numpy is not installed."""
    if find_spec("numpy") is None:
        raise ConfigurationError(
            "numpy is not installed",
            means="Traffic is drawn with it, so nothing was simulated.",
            remedy='python -m pip install "sluiceway[simulate]"',
            code="simulate.numpy",
        )
