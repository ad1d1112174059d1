"""The evidence: fair by enumeration, and the same numbers as the formulas written down plainly."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Sequence

import pytest

from sluiceway.analysis import Counters, latency, sequential
from sluiceway.analysis.sequential import DEFAULT, NOISY, Profile, Sequential, observe, values
from sluiceway.analysis.stakes import Stakes

CAP = math.log(20.0)


def binomial(n: int, p: float) -> list[float]:
    return [math.comb(n, k) * p**k * (1.0 - p) ** (n - k) for k in range(n + 1)]


# --- fair: no healthy canary makes the evidence grow on average -----------------------------------


@pytest.mark.parametrize("ratio", [1.0, 1.2, 1.5])
@pytest.mark.parametrize(("here", "there", "rate"), [(6, 20, 0.3), (10, 10, 0.05), (3, 40, 0.6)])
def test_a_bet_on_errors_is_fair_at_the_edge_of_what_is_tolerated(ratio, here, there, rate):
    worst = min(1.0, ratio * rate)
    means = [0.0] * 4
    for (c, p), (s, q) in itertools.product(
        enumerate(binomial(here, worst)), enumerate(binomial(there, rate))
    ):
        logs = sequential._errors(
            Counters(requests=here, errors=c), Counters(requests=there, errors=s), ratio
        )
        means = [mean + p * q * math.exp(log) for mean, log in zip(means, logs, strict=True)]
    assert max(means) <= 1.0 + 1e-12
    assert max(means) > 0.5  # and it is no bet that is lost anyway


def multinomials(n: int, parts: Sequence[float]) -> list[tuple[tuple[int, ...], float]]:
    found: list[tuple[tuple[int, ...], float]] = []
    for counts in itertools.product(range(n + 1), repeat=len(parts)):
        if sum(counts) == n:
            weight = float(math.factorial(n))
            for count, part in zip(counts, parts, strict=True):
                weight = weight * part**count / math.factorial(count)
            found.append((counts, weight))
    return found


STABLE = (0.5, 0.25, 0.1, 0.06, 0.04, 0.03, 0.02)
FASTER = (0.6, 0.25, 0.05, 0.04, 0.03, 0.02, 0.01)


@pytest.mark.parametrize("canary", [STABLE, FASTER])
def test_a_bet_on_latency_is_fair_for_a_canary_that_is_no_slower(canary):
    means = [0.0] * len(latency.BETS)
    for (c, p), (s, q) in itertools.product(multinomials(2, canary), multinomials(3, STABLE)):
        logs = latency.wagered(latency.worths(2, s), c)
        means = [mean + p * q * math.exp(log) for mean, log in zip(means, logs, strict=True)]
    assert max(means) <= 1.0 + 1e-3  # the odds are written down with three decimals
    assert all(list(odds) == sorted(odds) for odds in latency.BETS)


def test_a_bet_on_health_is_fair_for_one_wrong_poll_in_twenty():
    good, bad = sequential._health(healthy=True), sequential._health(healthy=False)
    for up, down in zip(good, bad, strict=True):
        assert 0.95 * math.exp(up) + 0.05 * math.exp(down) == pytest.approx(1.0)


@pytest.mark.parametrize("margin", [0.02, 0.05])
@pytest.mark.parametrize(("here", "there", "rate"), [(12, 30, 0.01), (20, 20, 0.2)])
def test_a_certificate_is_fair_for_a_canary_that_is_just_unsafe(margin, here, there, rate):
    means = [0.0] * 4
    for (c, p), (s, q) in itertools.product(
        enumerate(binomial(here, rate + margin)), enumerate(binomial(there, rate))
    ):
        logs = sequential._certified((0.0,) * 4, (c, here), (s, there), margin)
        means = [mean + p * q * math.exp(log) for mean, log in zip(means, logs, strict=True)]
    assert max(means) <= 1.0 + 1e-12


def test_what_is_capped_late_and_averaged_starts_at_one_and_stays_fair():
    stakes = Stakes.of(3)
    assert stakes.value == pytest.approx(1.0)
    for _ in range(100):
        stakes = stakes.after([0.0] * 3)
        assert stakes.value == pytest.approx(1.0)
    assert Stakes.of(1).after([1000.0]).value <= 20.0


def test_few_healthy_canaries_ever_reach_the_key():
    """Ville: at most one in a hundred, looked at after every tick. Here with bursts on both sides."""
    chance = random.Random(11)
    wrong = 0
    for _ in range(200):
        state = Sequential()
        for _ in range(30):
            burst = chance.choice([0.02, 0.02, 0.02, 0.15])  # shared by both sides
            here = sum(chance.random() < burst for _ in range(25))
            there = round(475 * burst)
            state = observe(
                state,
                10.0,
                Counters(requests=25, errors=here),
                Counters(requests=475, errors=there),
                healthy=chance.random() > 0.05,
            )
            if values(state).worse["together"] >= 100.0:
                wrong += 1
                break
    assert wrong <= 6  # three times the bound; more by luck is below 2 %


# --- the same numbers as the formulas -------------------------------------------------------------


class Plain:
    """The formulas one by one, slowly: floats, lists, no sums kept."""

    def __init__(self, profile: Profile) -> None:
        self.profile, self.seconds, self.ticks = profile, 0.0, 0
        self.past: dict[str, float] = {}
        self.rows = {name: ([0.8] * bets, [0]) for name, bets in self.BETS.items()}
        self.safe = {"errors": [0.0] * 4, "latency": [0.0] * 4}

    BETS = {  # noqa: RUF012 - never changed
        "errors_worse": 4,
        "errors_beyond": 4,
        "latency_worse": 6,
        "latency_beyond": 6,
        "cold": 6,
        "health": 3,
    }

    def bet(self, name: str, logs: Sequence[float]) -> None:
        stakes, ticks = self.rows[name]
        late = 0.2 / 90 if ticks[0] < 90 else 0.0
        stakes[:] = [(s + late) * math.exp(min(x, CAP)) for s, x in zip(stakes, logs, strict=True)]
        ticks[0] += 1

    def value(self, name: str) -> float:
        stakes, ticks = self.rows[name]
        return sum(stakes) / len(stakes) + 0.2 * max(0, 90 - ticks[0]) / 90

    def certify(self, name: str, c: float, n_c: float, s: float, n_s: float, d: float) -> None:
        self.safe[name] = [
            log + c * math.log(x) + s * math.log(1 + (1 - x) * n_c / n_s) + d * n_c * (1 - x)
            for log, x in zip(self.safe[name], (0.2, 0.4, 0.6, 0.8), strict=True)
        ]

    def tick(self, canary: Counters, stable: Counters, *, healthy: bool) -> None:
        for name, r in (("errors_worse", 1.0), ("errors_beyond", self.profile.error_ratio)):
            logs = []
            for b in (1.7, 3.0, 8.0, 40.0):
                psi = b * r
                y = (r * canary.requests + stable.requests) / (
                    psi * canary.requests + stable.requests
                )
                logs.append(canary.errors * math.log(psi / r * y) + stable.errors * math.log(y))
            self.bet(name, logs)
        self.certify("errors", canary.errors, canary.requests, stable.errors, stable.requests, 0.02)
        if self.past:
            self.latency(canary, stable)
        self.bet(
            "health", [math.log((1 - q) / 0.95 if healthy else q / 0.05) for q in (0.2, 0.5, 0.9)]
        )
        for bound in self.past:
            self.past[bound] *= 0.9
        for bound, count in stable.latency_ms.items():
            self.past[bound] = self.past.get(bound, 0.0) + count
        self.seconds += 10.0

    def latency(self, canary: Counters, stable: Counters) -> None:
        known = sorted(
            {float(b) for h in (self.past, canary.latency_ms, stable.latency_ms) for b in h}
        )
        total = sum(self.past.values())
        cuts = []
        for quantile in (0.5, 0.75, 0.9, 0.95, 0.99, 0.999):
            seen = 0.0
            for bound, count in sorted((float(b), n) for b, n in self.past.items()):
                seen += count
                if seen >= quantile * total:
                    cuts.append(bound)
                    break

        def split(side: Counters, tolerated: float) -> list[float]:
            found = [0.0] * 7
            for bound, count in side.latency_ms.items():
                begins = max([b for b in known if b < float(bound)], default=0.0)
                slower = (
                    sum(float(bound) > cut for cut in cuts)
                    if tolerated == 1.0
                    else sum(begins >= cut * tolerated * (1 - 1e-4) for cut in cuts)
                )
                found[slower] += count
            return found

        there, n_c, n_s = split(stable, 1.0), canary.answered, stable.answered

        def logs(tolerated: float) -> list[float]:
            here, found = split(canary, tolerated), []
            for odds in latency.BETS:
                log = 0.0
                for psi, c, s in zip(odds, here, there, strict=True):
                    y = (n_c + n_s) / (psi * n_c + n_s)
                    log += c * math.log(psi * y) + s * math.log(y)
                found.append(log)
            return found

        edge = max(
            b for b in known if b <= cuts[3] * self.profile.latency_ratio * 1.01 or b == cuts[3]
        )
        slow = sum(n for b, n in canary.latency_ms.items() if float(b) > edge)
        self.certify("latency", slow, n_c, sum(there[4:]), n_s, 0.05)
        self.bet("cold", logs(2.08))
        if self.seconds >= self.profile.warm_up_seconds:
            self.bet("latency_worse", logs(1.0))
            self.bet("latency_beyond", logs(self.profile.latency_ratio))


def test_in_coarse_buckets_twice_as_slow_is_not_certified():
    chance, bounds = random.Random(5), (50, 100, 250, 500, 1000, 2500)

    def window(count: int, median: float) -> Counters:
        found: dict[str, int] = {}
        for _ in range(count):
            took = median * math.exp(chance.gauss(0.0, 0.7))
            bound = next((f"{each}" for each in bounds if took <= each), "inf")
            found[bound] = found.get(bound, 0) + 1
        return Counters(requests=count, latency_ms=found)

    def certified(median: float) -> float:
        state = Sequential()
        for _ in range(60):
            here, there = window(25, median), window(475, 80.0)
            state = observe(state, 10.0, here, there, healthy=True)
        return values(state).safe["latency"]

    assert certified(80.0) >= 20.0
    assert certified(160.0) < 20.0


@pytest.mark.parametrize("profile", [DEFAULT, NOISY])
def test_the_quick_evidence_is_the_plain_one(profile):
    chance = random.Random(3)
    bounds = [f"{20 * 1.05**step:.6g}" for step in range(80)]

    def histogram(count: int, slower: int) -> dict[str, int]:
        found: dict[str, int] = {}
        for _ in range(count):
            bound = bounds[min(79, max(0, round(chance.gauss(30 + slower, 12))))]
            found[bound] = found.get(bound, 0) + 1
        return found

    plain, state = Plain(profile), Sequential()
    for number in range(12):
        canary = Counters(
            requests=40, errors=chance.choice([0, 1, 4]), latency_ms=histogram(40, number)
        )
        stable = Counters(requests=300, errors=chance.choice([1, 5]), latency_ms=histogram(290, 0))
        healthy = chance.random() > 0.2
        plain.tick(canary, stable, healthy=healthy)
        state = observe(state, 10.0, canary, stable, healthy=healthy, profile=profile)
        for name in Plain.BETS:
            assert getattr(state, name).value == pytest.approx(plain.value(name), rel=1e-9), name
        assert state.errors_safe == pytest.approx(plain.safe["errors"], rel=1e-9)
        assert state.latency_safe == pytest.approx(plain.safe["latency"], rel=1e-9)
        stored = json.loads(json.dumps(sequential.to_json(state), allow_nan=False))
        assert sequential.from_json(stored) == state
    assert values(state, profile).worse["latency"] > 10.0  # the canary did become slower
