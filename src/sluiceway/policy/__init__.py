"""Policies: engines, bundles, decisions, and what authors of Rego need."""

from sluiceway.policy.bundle import bundled_policies, load_bundle
from sluiceway.policy.check import Problem, RuleDocument, check_bundle, rule_documents
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
from sluiceway.policy.explain import Explanation, explain
from sluiceway.policy.replay import Outcome, Recorded, Replayed, replay
from sluiceway.policy.suite import FileCoverage, TestReport, run_tests
from sluiceway.policy.waivers import Exceptions

__all__ = [
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
    "TestReport",
    "bundled_policies",
    "check_bundle",
    "decide",
    "explain",
    "load_bundle",
    "replay",
    "rule_documents",
    "run_tests",
    "weigh_waivers",
]
