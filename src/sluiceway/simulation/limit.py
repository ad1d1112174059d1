"""How soon any test could know: Wald's bound, and a test that is told both laws.

No test that is wrong about a healthy canary with probability *a* needs on average fewer canary
requests than ``log(1 / a) / KL``, with KL the divergence of the faulty law from the healthy one.
For errors that is Bernoulli's. For latency the healthy canary may be anything that is no slower
than stable, so that the divergence is the one of the best bet that rises with slowness: the ratio
of both laws made monotone (isotonic regression).
"""

from __future__ import annotations

import math

import numpy as np

from sluiceway.simulation.law import Floats, Ints

__all__ = ["NATS", "bernoulli", "one_sided", "per_tick"]

NATS = math.log(100.0)
"""Evidence that one false rollback in a hundred takes."""
_LEAST = 1e-300


def bernoulli(faulty: Floats, healthy: Floats) -> Floats:
    """Return the divergence, in nats a request, of two error rates; 0 where nothing is worse."""
    p, q = (np.clip(each, 1e-12, 1.0 - 1e-12) for each in (faulty, healthy))
    found: Floats = p * np.log(p / q) + (1.0 - p) * np.log((1.0 - p) / (1.0 - q))
    return np.where(p > q, found, 0.0)


def one_sided(faulty: Floats, healthy: Floats) -> float:
    """Return the divergence, in nats a request, of two laws over the same buckets, from fastest to
    slowest, for a bet that never falls with slowness.
    """
    blocks: list[list[float]] = []
    """Faulty mass and healthy mass of buckets that share one ratio."""
    for mass, base in zip(faulty, healthy, strict=True):
        blocks.append([float(mass), float(base)])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1] = [blocks[-1][0] + last[0], blocks[-1][1] + last[1]]
    return sum(mass * math.log(mass / max(base, _LEAST)) for mass, base in blocks if mass > 0.0)


def per_tick(
    canary: tuple[Ints, Ints], shares: tuple[Floats, Floats], rates: tuple[Floats, Floats]
) -> Floats:
    """Return the log likelihood ratio that each run's tick adds for whoever knows both laws.

    Args:
        canary: Its histogram and its errors.
        shares: Each bucket's share: the canary's, stable's.
        rates: Error rates: the canary's, stable's.
    """
    mine, theirs = (np.maximum(each, 1e-15) for each in shares)
    latency = (canary[0] * np.log(mine / theirs)).sum(axis=1)
    p, q = (np.clip(each, 1e-12, 1.0 - 1e-9) for each in rates)
    good = canary[0].sum(axis=1) - canary[1]
    errors = canary[1] * np.log(p / q) + good * np.log((1.0 - p) / (1.0 - q))
    found: Floats = latency + errors
    return found
