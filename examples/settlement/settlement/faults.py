"""Where a fault could be. This build has none; ``broken/faults.py`` is the one that does."""


class Fault(Exception):  # noqa: N818 - a fault of the story, not of the caller
    """The service cannot answer this request (HTTP 500)."""


def before_settling():
    """Called once for every settlement; may raise :class:`Fault`."""
