"""Feature flags from the environment: ``FF_NEW_FEE_SCHEDULE=on``. Read once, at the start."""

import os

_ON = {"1", "true", "on", "yes"}
_OFF = {"", "0", "false", "off", "no"}


def enabled(name, environ=os.environ):
    """Say whether flag *name* is on. A value that is neither on nor off stops the start:
    a typing mistake in a flag that changes fees must not pass for "off"."""
    value = environ.get(f"FF_{name}", "").strip().lower()
    if value not in _ON | _OFF:
        raise ValueError(f"FF_{name} is {value!r}; write on or off")
    return value in _ON
