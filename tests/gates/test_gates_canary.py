"""How much evidence decides, as it is kept beside what was found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sluiceway.errors import ActionFailed
from sluiceway.gates.canary import needed, sentence
from sluiceway.model import CanaryLimits
from sluiceway.policy import Bundle, bundled_policies, load_bundle

BUNDLED = load_bundle([bundled_policies()])


def of(keys: Any) -> Bundle:
    return replace(BUNDLED, data={"canary": {"keys": keys}})


def test_it_is_what_the_policies_in_force_ask_for():
    assert needed(BUNDLED, CanaryLimits()) == {"worse": 100.0, "beyond": 20.0, "safe": 20.0}
    site = of({"worse": 1000, "beyond": 50, "certify": 30.5, "corroborate": 10})
    assert needed(site, CanaryLimits()) == {"worse": 1000.0, "beyond": 50.0, "safe": 30.5}


@pytest.mark.parametrize("rule", ["mission", "flagger", "argo", "kayenta"])
def test_a_rule_that_compares_nothing_by_evidence_asks_for_none(rule):
    assert needed(BUNDLED, CanaryLimits(rule=rule)) == {}
    assert needed(ActionFailed("no policies"), CanaryLimits(rule=rule)) == {}


@pytest.mark.parametrize(
    "bundle",
    [
        ActionFailed("the registry is out of reach"),
        of(None),
        of("none"),
        of({"worse": 100, "beyond": 20}),
        of({"worse": "100", "beyond": 20, "certify": 20}),
        of({"worse": True, "beyond": 20, "certify": 20}),
        of({"worse": 0, "beyond": 20, "certify": 20}),
        replace(BUNDLED, data={}),
        replace(BUNDLED, data={"canary": []}),
    ],
)
def test_what_cannot_be_read_is_not_guessed(bundle):
    assert needed(bundle, CanaryLimits()) is None


def test_several_reasons_are_one_sentence_that_says_once_what_they_share():
    end = "; 30 s after its start (rule sequential, limits literal)."
    assert sentence([f"no requests{end}", f"no p99; none of 3{end}"]) == (
        f"no requests; no p99; none of 3{end}"
    )
    assert sentence([f"no requests{end}"]) == f"no requests{end}"
    assert sentence(["it crashed.", f"worse{end}"]) == f"it crashed. worse{end}"
    assert sentence([]) == ""
