"""What a comparison forgives, by the name that the configuration has for it."""

from __future__ import annotations

from dataclasses import replace

from sluiceway.analysis.sequential import DEFAULT, NOISY, Profile
from sluiceway.model import CanaryLimits

__all__ = ["PROFILES", "profile_of"]

PROFILES = {"default": DEFAULT, "noisy": NOISY}


def profile_of(limits: CanaryLimits) -> Profile:
    """Return the profile that *limits* name; a name that nobody knows forgives least."""
    profile = PROFILES.get(limits.profile, DEFAULT)
    if limits.warm_up_seconds is None:
        return profile
    return replace(profile, warm_up_seconds=limits.warm_up_seconds)
