"""Simulate canaries before one is trusted, or decide a recorded one again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.cli.command import Shell, command
from sluiceway.cli.limits import CANARY_FLAGS, canary_replaced
from sluiceway.cli.parsing import flag_of
from sluiceway.errors import ActionFailed, ExitCode, SluicewayError, UsageError

if TYPE_CHECKING:
    from sluiceway.model import CanaryLimits, Decision

__all__ = ["simulate"]

_DEFAULT_FAULTS = (
    "errors-x2",
    "errors-x5",
    "errors+10",
    "total",
    "p99-x2",
    "slower-x1.3",
    "leak",
    "crash-loop",
    "flapping",
)
_WORKERS = 8
_MOST_RUNS = 100_000
_FLAGS = {key: text for key, text in CANARY_FLAGS.items() if key != "health_interval_seconds"}
"""A tick of a simulation is ten seconds whatever is configured."""


@command(
    help={
        "rps": "Requests a second to the service, both sides together.",
        "error_rate": "Percent of requests that fail when nothing is wrong.",
        "weather": "What a healthy day does: clean, base, rough, retries or caches.",
        "fault": "A fault to simulate; may be repeated. all is every one, none is none.",
        "runs": "How many healthy canaries; of each fault half as many.",
        "seed": "The same seed gives the same traffic.",
        "run": "Decide the canary of this recorded run again, instead of drawing traffic.",
        "gate": "Ask the policies themselves after every tick, not the bundled rules' twin.",
        "html": "Also write a page with the curves to this file.",
    },
    repeated=("fault",),
    gathered={"flags": _FLAGS},
)
def simulate(
    shell: Shell,
    rps: str = "50",
    error_rate: str = "1",
    weather: str = "base",
    *,
    fault: Sequence[str] = (),
    runs: str = "200",
    seed: str = "1",
    flags: Mapping[str, str],
    run: str = "",
    gate: bool = False,
    html: str = "",
) -> ExitCode:
    """Show how often the canary's rule would be wrong, and how soon right, before trusting it."""
    from sluiceway import simulation
    from sluiceway.model import to_json

    found = canary_replaced(shell.bench_or_bare.config.canary, flags)
    simulation.require()
    decide, decided_by = _decider(shell, asked=gate)
    document: dict[str, Any] = {"parameters": to_json(found), "decided_by": decided_by}
    if run:
        document["replayed"] = _replayed(shell, run, found, decide)
    else:
        document |= _studied(
            shell,
            found,
            {"rps": rps, "error_rate": error_rate, "runs": runs, "seed": seed},
            weather,
            fault,
            decide,
        )
    if html:
        _write(shell, Path(html), document)
    shell.result(document, lambda console: console.simulation(document))
    return ExitCode.DONE


# --- parameters -----------------------------------------------------------------------------------


def _number(name: str, text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise UsageError(
            f"{flag_of(name)} is {text!r}, which is not a number from {low:g} to {high:g}",
            code="simulate.number",
        )
    return value


def _known(what: str, text: str, names: Sequence[str]) -> str:
    if text in names:
        return text
    from sluiceway.config.settings import nearest

    guess = nearest(text, names)
    raise UsageError(
        f"there is no {what} {text!r}",
        remedy=(f"Did you mean {guess}? " if guess else "") + f"Known: {', '.join(names)}.",
        code=f"simulate.{what}",
    )


# --- who decides ----------------------------------------------------------------------------------


def _decider(shell: Shell, *, asked: bool) -> tuple[Any, dict[str, Any]]:
    """Return who decides (``None``: the twin), and how to say so.

    The twin stands for the bundled rules only. Where a site has policies or data of its own, they
    are asked.
    """
    from sluiceway import policy

    bench = shell.bench_or_bare
    bundle = bench.bundle()
    if isinstance(bundle, SluicewayError):
        raise bundle
    bundled = policy.load_bundle([policy.bundled_policies()])
    if bundle.digest == bundled.digest and not asked:
        return None, {
            "engine": "twin",
            "policy_digest": bundle.digest,
            "words": "the twin of the bundled rules (a test holds both equal); --gate asks the "
            "rules themselves",
        }
    engine = bench.engine
    now = datetime.now(UTC)

    def decide(document: Mapping[str, Any]) -> _Called:
        return _Called(policy.decide(engine, bundle, "canary", document, now=now))

    return decide, {
        "engine": "gate",
        "policy_digest": bundle.digest,
        "words": f"the gate canary of {bundle.origin}",
    }


class _Called:
    """A decision as what a simulated canary asks for."""

    def __init__(self, decision: Decision) -> None:
        if not decision.verdict:
            said = "; ".join(f"{each.code}: {each.message}" for each in decision.findings)
            raise ActionFailed(
                f"the gate canary gave no verdict: {said}",
                means="A canary under these policies would be held, and then taken back.",
                remedy="See `invoke policy.check`.",
                code="simulate.unjudged",
            )
        self.verdict, self.outcome = decision.verdict, decision.outcome
        self.codes = tuple(
            sorted({each.code for each in decision.findings if each.level == "deny"})
        )


# --- what is simulated ----------------------------------------------------------------------------


def _studied(
    shell: Shell,
    limits: CanaryLimits,
    numbers: Mapping[str, str],
    weather: str,
    faults: Sequence[str],
    decide: Any,
) -> dict[str, Any]:
    from sluiceway.simulation.faults import FAULTS
    from sluiceway.simulation.study import Study, advice, simulated
    from sluiceway.simulation.weather import WEATHERS

    chosen = tuple(faults) or _DEFAULT_FAULTS
    chosen = () if chosen == ("none",) else tuple(FAULTS) if "all" in chosen else chosen
    study = Study(
        limits=limits,
        weather=_known("weather", weather, tuple(WEATHERS)),
        rps=_number("rps", numbers["rps"], 0.01, 1e6),
        error_percent=_number("error_rate", numbers["error_rate"], 0.0, 100.0),
        faults=tuple(_known("fault", each, tuple(FAULTS)) for each in chosen),
        runs=int(_number("runs", numbers["runs"], 1, _MOST_RUNS)),
        seed=int(_number("seed", numbers["seed"], 0, 2**31)),
    )
    workers = min(_WORKERS, os.cpu_count() or 1)
    scenarios = []
    for each in simulated(study, decide, workers=workers):
        scenarios.append(each)
        shell.console.note(
            f"{len(scenarios)} of {len(study.scenarios)}: {each['name']}, {each['runs']} canaries"
        )
    weight = limits.weights[-1]
    return {
        "traffic": {
            "rps": study.rps,
            "error_percent": study.error_percent,
            "weather": study.weather,
            "words": WEATHERS[study.weather].words,
            "weight": weight,
            "canary_requests": study.rps * weight / 100.0 * limits.duration_seconds,
        },
        "runs": study.runs,
        "seed": study.seed,
        "scenarios": scenarios,
        "advice": advice(study, scenarios[0]),
    }


def _replayed(
    shell: Shell, run: str, limits: CanaryLimits, decide: Callable[..., Any] | None
) -> dict[str, Any]:
    from sluiceway.analysis import rules
    from sluiceway.runs.recorded import recorded
    from sluiceway.simulation.replay import replayed

    found = recorded(shell.bench.project.state, run)
    if found is None:
        raise UsageError(
            f"there is no run {run!r}",
            remedy="`invoke history` lists runs.",
            code="run.unknown",
        )
    looks = [
        step.value
        for step in found.steps
        if step.name.startswith("canary.")
        and isinstance(step.value, dict)
        and "watch" in step.value
    ]
    return replayed(run, looks, limits, decide or rules.decide)


def _write(shell: Shell, path: Path, document: Mapping[str, Any]) -> None:
    from sluiceway.console.simulations import simulation_html

    try:
        path.write_text(simulation_html(document), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}", code="simulate.html"
        ) from error
    shell.console.note(f"wrote {path}")
