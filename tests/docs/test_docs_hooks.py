"""docs/hooks.md and docs/pipeline.md say what hookspecs.py and pipeline.py say, in their order."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from sluiceway import hookspecs
from sluiceway.pipeline import STAGES

ROOT = Path(__file__).parents[2]
HOOKS = (ROOT / "docs" / "hooks.md").read_text()
PIPELINE = (ROOT / "docs" / "pipeline.md").read_text()

SPECS = {name: value for name, value in vars(hookspecs).items() if name.startswith("sluiceway_")}
SECTION = re.compile(r"^### (\w+)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)


def test_every_hook_has_a_heading_in_the_order_of_the_specifications():
    assert [name for name, _ in SECTION.findall(HOOKS)] == list(SPECS)


def test_every_stage_has_a_heading_in_pipeline_order_above_its_own_hooks():
    stage = ""
    found: dict[str, list[str]] = {}
    for line in HOOKS.splitlines():
        if line.startswith("## "):
            stage = line.removeprefix("## ")
            found[stage] = []
        elif line.startswith("### "):
            found[stage].append(line.removeprefix("### "))
    wanted = {stage.name: list(stage.hooks) for stage in STAGES}
    assert list(found)[: len(STAGES)] == list(wanted)
    assert {name: found[name] for name in wanted} == wanted


@pytest.mark.parametrize("name", SPECS)
def test_a_hook_is_described_with_its_arguments_and_its_number_of_answers(name):
    text = dict(SECTION.findall(HOOKS))[name]
    arguments = re.search(r"Arguments: (.*?)\.\s", text, re.DOTALL)
    assert arguments
    assert re.findall(r"`(\w+)`", arguments[1]) == list(inspect.signature(SPECS[name]).parameters)
    one = getattr(SPECS[name], f"{hookspecs.GROUP}_spec")["firstresult"]
    assert text.lstrip().startswith("One." if one else "All.")


def test_the_stage_table_is_the_tuple():
    rows = re.findall(r"^\| (\w+) \| `(\w+)` \| (.+?) \| (.+?) \|$", PIPELINE, re.MULTILINE)
    assert rows == [
        (stage.name, stage.kind, stage.title, ", ".join(f"`{name}`" for name in stage.default))
        for stage in STAGES
    ]
