"""Policies: engines, bundles, decisions, and what authors of Rego need.

What every gate takes is imported with the package; what only authors and replays take, when it is
asked for, since each command would else begin by reading it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.lazy import later
from sluiceway.policy.bundle import Source, bundled_policies, check_pin, load_bundle
from sluiceway.policy.decide import decide, weigh_waivers
from sluiceway.policy.engine import (
    Bundle,
    EngineError,
    Parsed,
    PolicyEngine,
    PolicyWorkbench,
    RuleResult,
    RuleRun,
)
from sluiceway.policy.tarball import Archive
from sluiceway.policy.waivers import Exceptions

if TYPE_CHECKING:
    from sluiceway.policy.check import Problem, RuleDocument, check_bundle, rule_documents
    from sluiceway.policy.explaining import Explanation, explain
    from sluiceway.policy.replaying import Outcome, Recorded, Replayed, replay
    from sluiceway.policy.suite import FileCoverage, TestReport, run_tests

__all__ = [
    "Archive",
    "Bundle",
    "EngineError",
    "Exceptions",
    "Explanation",
    "FileCoverage",
    "Outcome",
    "Parsed",
    "PolicyEngine",
    "PolicyWorkbench",
    "Problem",
    "Recorded",
    "Replayed",
    "RuleDocument",
    "RuleResult",
    "RuleRun",
    "Source",
    "TestReport",
    "bundled_policies",
    "check_bundle",
    "check_pin",
    "decide",
    "explain",
    "load_bundle",
    "replay",
    "rule_documents",
    "run_tests",
    "weigh_waivers",
]

__getattr__ = later(
    __name__,
    {
        "Explanation": "explaining",
        "FileCoverage": "suite",
        "Outcome": "replaying",
        "Problem": "check",
        "Recorded": "replaying",
        "Replayed": "replaying",
        "RuleDocument": "check",
        "TestReport": "suite",
        "check_bundle": "check",
        "explain": "explaining",
        "replay": "replaying",
        "rule_documents": "check",
        "run_tests": "suite",
    },
)
