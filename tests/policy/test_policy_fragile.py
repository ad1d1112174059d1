"""What only a denial's words need and may be missing would take the denial back."""

from __future__ import annotations

import pytest

from sluiceway.policy import Bundle, PolicyWorkbench, check_bundle

TEXT = {"type": "string"}
SCHEMA = {
    "type": "object",
    "required": ["gate", "image", "note", "rows"],
    "properties": {
        "gate": TEXT,
        "image": {
            "type": "object",
            "required": ["digest"],
            "properties": {"digest": TEXT, "owner": TEXT},
        },
        "note": {
            "type": ["object", "null"],
            "required": ["by"],
            "properties": {"by": TEXT, "text": TEXT},
        },
        "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}},
        "peers": {
            "type": "object",
            "properties": {
                "one": {"type": "object", "required": ["score"], "properties": {"score": {}}}
            },
        },
    },
    "$defs": {
        "row": {"type": "object", "required": ["x"], "properties": {"x": TEXT, "y": TEXT}},
    },
}
POLICY = """package g

decision := {{"deny": deny, "warn": warn}}

warn contains "never" if input.gate == "x"

# METADATA
# title: A rule
# description: Says what holds.
# custom:
#   code: g.no
#   solution: Do it.
deny contains {{"code": "g.no", "msg": msg, "solution": "x"}} if {{
	{condition}
	msg := {words}
}}

good(row) if row.x == "x"
"""


def told(engine: PolicyWorkbench, condition: str, words: str) -> list[str]:
    modules = {"g/g.rego": POLICY.format(condition=condition, words=words)}
    data = {"g": {"here": 1, "rows": []}}
    bundle = Bundle(modules=modules, data=data, digest="", origin="test", schemas={"g": SCHEMA})
    found = check_bundle(engine, bundle)
    assert not [each for each in found if each.code == "policy.syntax"]
    fragile = [each for each in found if each.code == "policy.fragile"]
    assert {(each.file, each.row) for each in fragile} <= {("g/g.rego", 13)}
    return [each.message.split()[4] for each in fragile]


@pytest.mark.parametrize(
    ("condition", "words", "lacking"),
    [
        ("good(input.image)", 'sprintf("%s", [input.image.owner])', "input.image.owner"),
        ("not good(input.image)", "input.image.owner", "input.image.owner"),
        ("not input.image.owner", 'concat("", [input.image.owner])', "input.image.owner"),
        ("count([1 | input.image.owner]) == 0", "input.image.owner", "input.image.owner"),
        ('input.gate == "g"', "input.note.by", "input.note.by"),
        ("some row in input.rows", "row.y", "row.y"),
        ('input.gate == "g"', 'sprintf("%v", [data.g.gone])', "data.g.gone"),
        ('input.gate == "g"', 'sprintf("%v", [input.peers.one.score])', "input.peers.one.score"),
        ('input.gate == "g"', 'object.get(input.peers, "x", "")', "input.peers"),
        ("image := input.image", "image.owner", "image.owner"),
    ],
)
def test_what_may_be_missing_is_told(
    engine: PolicyWorkbench, condition: str, words: str, lacking: str
) -> None:
    assert told(engine, condition, words) == [lacking]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("not good(input.image)", "input.image.digest"),
        ('input.image.owner == "x"', "input.image.owner"),
        ('startswith(input.image.owner, "x")', "input.image.owner"),
        ('input.gate == "g"', 'object.get(input.image, "owner", "nobody")'),
        ('input.gate == "g"', 'concat("", [o | o := input.image.owner])'),
        ('input.note.text == "x"', "input.note.by"),
        ("some row in input.rows", "row.x"),
        ("some row in input.rows; good(row)", "row.y"),
        ("some row in data.g.rows", "row.anything"),
        ("some row in input.rows", "input.rows[0].y"),  # which there is, only evaluation knows
        ('input.gate == "g"', 'sprintf("%v", [data.g.here])'),
        ("input.peers.one", 'sprintf("%v", [input.peers.one.score])'),
    ],
)
def test_what_is_certain_is_not(engine: PolicyWorkbench, condition: str, words: str) -> None:
    assert told(engine, condition.replace("; ", "\n\t"), words) == []
