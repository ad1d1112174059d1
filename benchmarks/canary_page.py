"""The page that ``benchmarks/canary.py`` writes: goals, tables, and what was measured how."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sluiceway.simulation.faults import FAULTS
from sluiceway.simulation.measured import Job
from sluiceway.simulation.peers import RULES
from sluiceway.simulation.weather import TUNED_ON, WEATHERS

OURS, NOISY = "ours/default", "ours/noisy"
NAMES = {
    OURS: "**Sluiceway, `sequential`**",
    NOISY: "Sluiceway, profile `noisy`",
    **RULES,
    "mission": "Sluiceway, `mission`: limits, three in a row",
}
PAIRED = (
    "errors-x2",
    "errors-x5",
    "errors+2",
    "errors+10",
    "total",
    "p99-x1.3",
    "p99-x2",
    "slower-x1.3",
    "leak",
)
Results = Sequence[Mapping[str, Any]]


def summary(results: Results) -> str:
    """Return the goals as plain lines."""
    return "\n".join(
        f"{'met   ' if met else 'MISSED'} {goal}: {measured} (set: {wanted})"
        for goal, measured, wanted, met in goals(results)
    )


def goals(results: Results) -> list[tuple[str, str, str, bool]]:
    """Return (goal, measured, set, met)."""
    base = _of(results, "base")
    rough = _of(results, "rough")
    x5 = _spread(base, 50, 1, "errors-x5")
    matched = _spread(base, 50, 1, "errors-x5", "matched")
    clean = _cell(_of(results, "clean"), 50, 1)["faults"]["errors-x5"]
    worst = max(each["false"][OURS]["15"] for each in base)
    noisy = max(each["false"][NOISY]["15"] for each in rough)
    total = max(each["faults"]["total"]["nominal"][OURS]["p90"] for each in base)
    slip = max(each["faults"]["errors+2"]["promotions"]["default"]["15"] for each in base)
    oracle, means = pairs(base)
    ahead = {rule: mean / means[OURS] for rule, mean in means.items() if rule in _PEERS}
    nearest = min(ahead, key=lambda rule: ahead[rule])
    ratio = matched["median"] / _told(base, 50, 1, "errors-x5")["oracle"]["median"]
    clean_ratio = clean["matched"][OURS]["median"] / clean["limit"]
    return [
        (
            "false rollbacks, worst of 9 cells, base, 15 min",
            _percent(worst),
            "<= 1 %",
            worst <= 0.01,
        ),
        ("the same, `noisy` in rough, worst of 4", _percent(noisy), "<= 2 %", noisy <= 0.02),
        (
            "errors x5, 50 rps, 1 %: median and p90",
            f"{_s(x5['median'])} and {_s(x5['p90'])}",
            "<= 80 s and <= 150 s",
            x5["median"] <= 80 and x5["p90"] <= 150,
        ),
        (
            "errors x5, 50 rps, 1 %, at equal 1 %: times the oracle in base, the limit in clean",
            f"{ratio:.2f} and {clean_ratio:.2f}",
            "<= 1.5 and <= 1.5",
            ratio <= 1.5 and clean_ratio <= 1.5,
        ),
        *(
            _median(base, rps, fault, most)
            for rps, fault, most in (
                (50, "errors+10", 40),
                (5, "errors+10", 200),
                (500, "errors-x2", 100),
                (50, "p99-x2", 100),
                (500, "p99-x2", 60),
                (50, "slower-x1.3", 110),
                (500, "p99-x1.3", 110),
                (50, "crash-loop", 60),
                (50, "flapping", 150),
            )
        ),
        ("total failure, every cell: p90", _s(total), "<= 30 s", total <= 30),
        _leak(base),
        (
            f"mean time to rollback at equal 1 %, {len(oracle)} pairs: times the oracle",
            f"{means[OURS] / _geometric(oracle):.2f}",
            "<= 1.7",
            means[OURS] / _geometric(oracle) <= 1.7,
        ),
        (
            "the same: ahead of each peer's rule, the nearest one",
            f"{ahead[nearest]:.2f} times ({NAMES[nearest]})",
            ">= 2 times",
            ahead[nearest] >= 2,
        ),
        *(
            (
                f"healthy, promoted at 5 min, {rps} rps, 1 %",
                _percent(_cell(base, rps, 1)["promotions"]["default"]["5"])
                + f" (within 6 min {_percent(_cell(base, rps, 1)['promotions']['default']['6'])})",
                f">= {100 * least:g} %",
                _cell(base, rps, 1)["promotions"]["default"]["5"] >= least,
            )
            for rps, least in ((50, 0.85), (500, 0.99))
        ),
        ("+2 points promoted within 15 min, worst cell", _percent(slip), "<= 5 %", slip <= 0.05),
    ]


_PEERS = ("mission", "flagger", "argo-60", "argo-10", "kayenta", "kayenta-once")


def _median(base: Results, rps: float, fault: str, most: float) -> tuple[str, str, str, bool]:
    found = _spread(base, rps, 1, fault)["median"]
    return (f"{fault}, {rps} rps, 1 %: median", _s(found), f"<= {most} s", found <= most)


def _leak(base: Results) -> tuple[str, str, str, bool]:
    found = _told(base, 50, 1, "leak")["matched_long"][OURS]["median"]
    return ("leak, 50 rps, 1 %, at equal 1 %, 15 min: median", _s(found), "<= 400 s", found <= 400)


def pairs(base: Results) -> tuple[list[float], dict[str, float]]:
    """Return the oracle's mean times, and each rule's geometric mean of its mean times.

    A pair is a cell and a fault that the oracle finds in 5 minutes in half of the runs or more.
    """
    told = [
        each["faults"][fault]
        for each in base
        for fault in PAIRED
        if each["faults"][fault]["oracle"]["missed_5"] <= 0.5
    ]
    oracle = [each["oracle"]["mean"] for each in told]
    rules = told[0]["matched"]
    return oracle, {
        rule: _geometric([each["matched"][rule]["mean"] for each in told]) for rule in rules
    }


def _geometric(values: Iterable[float]) -> float:
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs))


def page(results: Results, todo: Sequence[Job], seed: int) -> str:
    """Return the page."""
    base = _of(results, "base")
    runs, faulty = todo[0].healthy, todo[0].faulty
    own = [name for name in WEATHERS if name not in TUNED_ON]
    oracle, means = pairs(base)
    parts = [
        "# Canary verdicts, measured",
        (
            "This page is written by `python -m benchmarks.canary`; do not edit it. What is simulated is "
            "described in [canary-simulation.md](canary-simulation.md)."
        ),
        (
            f"Seed {seed}. Base: {runs} healthy canaries in each of 9 cells and {faulty} with each fault; "
            f"other weathers: {todo[9].healthy} and {todo[9].faulty}. One tick is 10 s, the canary has "
            "5 % of the traffic, every rule judges the same traffic. Times are on the grid of 10 s. "
            "A sample of the runs of every cell was judged by `analysis.tick`, `analysis.evidence` and "
            "`analysis.rules` too; the page is written only if every verdict was the same."
        ),
        "## Goals",
        _table(
            ["goal", "measured", "set", ""],
            [
                [goal, measured, wanted, "met" if met else "**missed**"]
                for goal, measured, wanted, met in goals(results)
            ],
        ),
        "## False rollbacks, as shipped",
        (
            "Percent of healthy canaries that are rolled back. Flagger and Argo are given the mission's "
            "limits (5 %, 2000 ms); Kayenta's judge has one point a tick and a slice of stable as large "
            "as the canary. `given up` is what Sluiceway takes back because 15 minutes were not enough "
            "to show that it is safe: that is a lack of traffic, not a fault found."
        ),
    ]
    for minutes in ("5", "15"):
        parts += [f"Base, {minutes} min:", _false(base, minutes)]
    parts += [
        "Promoted and given up by Sluiceway (healthy, base):",
        _promotions(base),
        "## Detection at equal false rollbacks",
        (
            "Thresholds of every rule are set, cell by cell, so that errors and latency each roll back "
            "0.5 % of the healthy runs: 1 % in all. That tells the fixed rules the true baseline. Median/"
            "p90 in seconds, in brackets percent missed within 5 min; - is never. *limit* is "
            "log(100)/KL, *oracle* a test that is told both true laws."
        ),
        f"Geometric mean of the mean time to rollback, cut at 300 s, over {len(oracle)} pairs of cell "
        f"and fault that the oracle finds: oracle {_geometric(oracle):.0f} s, "
        + ", ".join(f"{_bare(NAMES[rule])} {mean:.0f} s" for rule, mean in means.items())
        + ".",
    ]
    for rps in (50, 500, 5):
        parts += [f"{rps} rps, 1 %:", _detection(_cell(base, rps, 1), "matched")]
    parts += [
        "## Detection as shipped",
        "Read with the first column: who rolls everything back finds everything.",
    ]
    for rps in (50, 500, 5):
        parts += [f"{rps} rps, 1 %:", _detection(_cell(base, rps, 1), "nominal")]
    parts += [
        "## Times the theoretical limit, clean weather",
        (
            "Median against log(100)/KL and against the oracle; below some 30 s the ticks of 10 s "
            "dominate."
        ),
        _ratios(_of(results, "clean")),
        "## Other weathers",
        "`rough` is a canary that *is* worse: a cold start, hiccups, errors that wander by 30 %. The "
        "defaults were chosen on `clean`, `base` and `rough`. Nothing was tuned on "
        + " and ".join(f"`{name}`" for name in own)
        + ".",
    ]
    for name in ("rough", *own):
        found = _of(results, name)
        parts += [
            f"### {name}",
            f"{WEATHERS[name].words[0].upper()}{WEATHERS[name].words[1:]}.",
            "False rollbacks within 15 min, percent:",
            _false(found, "15"),
            "As shipped, 50 rps, 1 %:",
            _detection(_cell(found, 50, 1), "nominal"),
        ]
    parts += [
        "## What this does not show",
        (
            "* The weather is ours. Except in `retries` and `caches`, errors are independent given the "
            "tick's rate, and latency and errors of each other.\n"
            "* Flagger, Argo and Kayenta are rules written again from their code, not the tools: probes, "
            "no data and weight steps are not modelled.\n"
            "* Matched thresholds are fitted on the runs they are quoted for.\n"
            "* A z test whose threshold is tuned cell by cell is as quick; at its textbook threshold it "
            "rolls back a quarter of the healthy canaries."
        ),
    ]
    return "\n\n".join(parts) + "\n"


# --- tables ---------------------------------------------------------------------------------------


def _false(results: Results, minutes: str) -> str:
    rules = [rule for rule in NAMES if rule in results[0]["false"]]
    ordered = sorted(results, key=lambda each: (each["rps"], each["errors"]))
    rows = [
        [NAMES[rule], *(_percent(each["false"][rule][minutes], unit="") for each in ordered)]
        for rule in rules
        if not math.isnan(ordered[0]["false"][rule][minutes])
    ]
    return _table(["rule", *(each["cell"] for each in ordered)], rows)


def _promotions(results: Results) -> str:
    ordered = sorted(results, key=lambda each: (each["rps"], each["errors"]))
    rows = [
        [words, *(_percent(each["promotions"]["default"][key], unit="") for each in ordered)]
        for key, words in (
            ("5", "promoted at 5 min"),
            ("6", "within 6 min"),
            ("15", "within 15 min"),
            ("given_up", "given up at 15 min"),
            ("held", "held for a while: both sides sick"),
        )
    ]
    return _table(["%", *(each["cell"] for each in ordered)], rows)


def _detection(cell: Mapping[str, Any], how: str) -> str:
    faults = cell["faults"]
    false = {
        rule: value if how == "matched" else value["5"]
        for rule, value in cell["matched_false" if how == "matched" else "false"].items()
    }
    rows = [
        ["*limit*", "", *(_s(told["limit"], unit="") for told in faults.values())],
        ["*oracle*", "", *(_shown(told["oracle"]) for told in faults.values())],
    ]
    rows += [
        [
            NAMES[rule],
            _percent(false[rule], unit=""),
            *(_shown(told[how][rule]) for told in faults.values()),
        ]
        for rule in NAMES
        if rule in false
    ]
    return _table(["rule", "false %", *faults], rows)


def _ratios(clean: Results) -> str:
    rows = []
    for each in clean:
        for fault, told in each["faults"].items():
            median = told["nominal_long"][OURS]["median"], told["matched_long"][OURS]["median"]
            rows.append(
                [
                    each["cell"],
                    FAULTS[fault].words,
                    _s(told["limit"]),
                    _s(told["oracle"]["median"]),
                    *(
                        f"{_s(at)} = {at / told['limit']:.1f} x limit, "
                        f"{at / told['oracle']['median']:.1f} x oracle"
                        if math.isfinite(at) and math.isfinite(told["oracle"]["median"])
                        else _s(at)
                        for at in median
                    ),
                ]
            )
    return _table(["cell", "fault", "limit", "oracle", "as shipped", "at equal 1 %"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _shown(spread: Mapping[str, float]) -> str:
    missed = f" ({100 * spread['missed_5']:.0f})" if spread["missed_5"] else ""
    return f"{_s(spread['median'], unit='')}/{_s(spread['p90'], unit='')}{missed}"


def _s(seconds: float, *, unit: str = " s") -> str:
    if math.isinf(seconds):
        return "-"
    return f"{seconds:.1f}{unit}" if seconds < 10 else f"{seconds:.0f}{unit}"


def _percent(share: float, *, unit: str = " %") -> str:
    return f"{100 * share:.2g}{unit}" if share < 0.1 else f"{100 * share:.0f}{unit}"


def _bare(name: str) -> str:
    return name.replace("*", "").replace("`", "")


# --- finding --------------------------------------------------------------------------------------


def _of(results: Results, weather: str) -> list[Mapping[str, Any]]:
    return [each for each in results if each["weather"] == weather]


def _cell(results: Results, rps: float, errors: float) -> Mapping[str, Any]:
    return next(each for each in results if (each["rps"], each["errors"]) == (rps, errors))


def _told(results: Results, rps: float, errors: float, fault: str) -> Mapping[str, Any]:
    told: Mapping[str, Any] = _cell(results, rps, errors)["faults"][fault]
    return told


def _spread(
    results: Results, rps: float, errors: float, fault: str, how: str = "nominal"
) -> Mapping[str, float]:
    found: Mapping[str, float] = _told(results, rps, errors, fault)[how][OURS]
    return found
