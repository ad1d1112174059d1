"""How often is a canary rolled back for nothing, and how soon for something?

Run: ``python -m benchmarks.canary`` (about a quarter of an hour on two cores), or with ``--quick``
(about a minute, few runs; nothing is written). Draws the same traffic for Sluiceway's rule, for the
mission's, and for rules after Flagger, Argo Rollouts and Kayenta, checks a sample of its own
verdicts through the scalar functions, and writes ``docs/canary-benchmark.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.canary_page import page, summary

from sluiceway.simulation.measured import LONG, SHORT, Job, measure
from sluiceway.simulation.weather import Cell

PAGE = Path(__file__).parents[1] / "docs" / "canary-benchmark.md"
RATES = (5.0, 50.0, 500.0)
ERRORS = (0.1, 1.0, 3.0)
PART = ((5.0, 1.0), (50.0, 1.0), (50.0, 3.0), (500.0, 1.0))
"""Cells of the weathers that are not the headline."""
BASE_FAULTS = {
    "errors-x2": SHORT,
    "errors-x5": SHORT,
    "errors+2": LONG,
    "errors+10": SHORT,
    "total": SHORT,
    "p99-x1.3": SHORT,
    "p99-x2": SHORT,
    "slower-x1.3": SHORT,
    "leak": LONG,
    "crash-loop": SHORT,
    "flapping": SHORT,
}
FEW_FAULTS = dict.fromkeys(("errors-x5", "errors+10", "total", "p99-x2", "slower-x1.3"), SHORT)
BOTH = ("default", "noisy")


def jobs(scale: float, seed: int) -> list[Job]:
    """Return every cell, the longest first."""

    def runs(number: int) -> int:
        return max(20, round(number * scale))

    base = [
        Job(
            weather="base",
            cell=Cell(rps=rps, error_percent=errors),
            healthy=runs(4000),
            faulty=runs(600),
            faults=BASE_FAULTS,
            seed=seed,
        )
        for rps in reversed(RATES)
        for errors in ERRORS
    ]
    part = [
        Job(
            weather=weather,
            cell=Cell(rps=rps, error_percent=errors),
            healthy=runs(2000),
            faulty=runs(250),
            faults=FEW_FAULTS,
            profiles=BOTH,
            seed=seed,
        )
        for weather in ("rough", "retries", "caches")
        for rps, errors in reversed(PART)
    ]
    clean = [
        Job(
            weather="clean",
            cell=Cell(rps=rps, error_percent=errors),
            healthy=runs(3000),
            faulty=runs(400),
            faults=dict.fromkeys(
                ("errors-x2", "errors-x5", "errors+2", "p99-x1.3", "p99-x2"), LONG
            ),
            healthy_ticks=SHORT,
            seed=seed,
        )
        for rps, errors in ((50.0, 0.1), (50.0, 1.0), (500.0, 1.0))
    ]
    return [*base, *part, *clean]


def measured(job: Job) -> tuple[dict[str, Any], float]:
    """Measure one cell; also return the processor seconds it took."""
    before = time.process_time()
    return measure(job), time.process_time() - before


def checked(job: Job) -> list[str]:
    """Judge a few runs of one cell by the functions that judge a real canary too."""
    from sluiceway.simulation.checked import disagreements

    return disagreements(replace(job, healthy=3, faulty=1, seed=job.seed + 1000))


def main() -> None:
    """Measure, check, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few runs; nothing is written")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the runs")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--keep", type=Path, help="a file for what was measured: cells in it are not measured again"
    )
    asked = parser.parse_args()
    todo = jobs(0.02 if asked.quick else asked.scale, asked.seed)
    known: dict[str, dict[str, Any]] = {}
    if asked.keep and asked.keep.exists():
        known = json.loads(asked.keep.read_text())
    began, spent = time.perf_counter(), 0.0
    with ProcessPoolExecutor(asked.workers) as pool:
        left = [job for job in todo if name(job) not in known]
        for job, (found, seconds) in zip(left, pool.map(measured, left), strict=True):
            spent += seconds
            known[name(job)] = found
            if asked.keep:
                asked.keep.write_text(json.dumps(known))
            print(f"{name(job)}: {seconds:.0f} s of processor", file=sys.stderr, flush=True)
        wrong = [line for lines in pool.map(checked, todo) for line in lines]
    if wrong:
        sys.exit("\n".join(["the two ways of judging differ:", *wrong]))
    results = [known[name(job)] for job in todo]
    print(summary(results))
    print(f"{time.perf_counter() - began:.0f} s by the wall, {spent:.0f} s of processor to measure")
    if not asked.quick:
        PAGE.write_text(page(results, todo, asked.seed), encoding="utf-8")
        print(f"wrote {PAGE}")


def name(job: Job) -> str:
    """Return what a cell is kept under."""
    return f"{job.weather}, {job.cell.name}, {job.healthy} runs, seed {job.seed}"


if __name__ == "__main__":
    main()
