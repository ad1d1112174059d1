"""What a decision can depend on, found in the texts: more than there is perhaps, and never less."""

from __future__ import annotations

import pytest

from sluiceway.policy import Bundle, EngineError, PolicyWorkbench, bundled_policies, load_bundle
from sluiceway.policy.builtins import FORBIDDEN
from sluiceway.policy.reach import may_mention_forbidden, reached
from sluiceway.policy.tree import aliases, package, references

GATES = ("promotion", "image", "rollback", "canary")


def rest(**more: str) -> dict[str, str]:
    """A gate `g`, a module that nothing names, and *more*."""
    return {"g": "package g\n\nx := 1\n", "alone": "package alone\n\nx := 1\n"} | more


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("y := data.far.x", {"far"}),
        ('y := data["far"].x', {"far"}),
        ("import data.far as near\n\ny := near.x", {"far", "deep"}),
        ("y := data.far.deep.x", {"far", "deep"}),
        ("y := data.far[input.z]", {"far", "deep"}),
        ('y := data["far"]["deep"].x', {"far", "deep"}),
        ("y := data[input.z].x", {"far", "deep", "alone"}),
        ('y := data["f\\u0061r"].x', {"far", "deep", "alone"}),
        ("y := walk(data)", {"far", "deep", "alone"}),
        ("import data\n\ny := data.far.x", {"far", "deep", "alone"}),
        ("y if x with data.far.x as 2", {"far"}),
        ('y := $"{data.far.x} is it"', {"far"}),
        ('y := $"#{data.far.x}"', {"far"}),
        ('y := "#" == data.far.x', {"far"}),
        ('y := "\\"#" == data.far.x', {"far"}),
        ('y := `"` == data.far.x # "', {"far"}),
        ("y := {1 |\n\tdata.far.x\n}", {"far"}),
        ('y := "data.far.x"', set()),
        ("# data.far.x and all data\ny := 1", set()),
        ('# $` and all data\ny := "$"', set()),
        ('y := "$" # $"\n\nz := $"\\"#{data.far.x}"', {"far"}),
        ("y := input.data.far", set()),
        ("y := 1", set()),
    ],
)
def test_whatever_a_module_names_is_reached(source: str, wanted: set[str]) -> None:
    modules = rest(
        far="package far\n\nx := 1\n",
        deep='package far.deep # "\n\nx := 1\n',
        g=f"package g\n\n{source}\n",
    )
    assert reached(modules, "g.y") == {"g", *wanted}


def test_a_package_is_reached_as_a_whole_with_the_packages_around_it() -> None:
    modules = {
        "one": "# METADATA\n# title: package b\npackage a.b\n\nx := 1\n",
        "two": "\n\n# package c\npackage a.b\n\ny := data.c.x\n",
        "around": "# METADATA\n# scope: subpackages\npackage a\n",
        "behind": "package c\n\nx := data.a.b.x\n",
        "beside": "package a.c\n\nx := 1\n",
    }
    assert reached(modules, "a.b.x") == {"one", "two", "around", "behind"}
    assert reached(modules, "a.c.x") == {"beside", "around"}


@pytest.mark.parametrize(
    "source",
    [
        "x := 1\n",
        "pakage g\n\nx := 1\n",
        "package\n  g\n\nx := 1\n",
        "package g; x := 1\n",
        'package g["a\\u0062"]\n\nx := 1\n',
        "\ufeffpackage alone\n",
        "",
    ],
)
def test_a_module_whose_package_is_not_plain_is_always_there(source: str) -> None:
    modules = rest(odd=f"{source}\ny := data.named\n", named="package named\n")
    assert reached(modules, "g.x") >= {"g", "odd", "named"}


def test_the_text_names_all_that_the_trees_of_the_gates_do(engine: PolicyWorkbench) -> None:
    """What OPA's own parser finds below ``data`` is inside of what was found in the text."""
    modules = load_bundle([bundled_policies()]).modules
    trees = {name: parsed.tree for name, parsed in engine.parse(modules).items()}
    owners = {name: tuple(package(tree).split(".")) for name, tree in trees.items()}
    for gate in GATES:
        found = reached(modules, f"{gate}.decision")
        named = set()
        for name in found:
            named |= set(references(trees[name], frozenset({"data"})))
            named |= {path for path in aliases(trees[name]).values() if path.startswith("data.")}
        steps = {tuple(path.split(".")[1:]) for path in named}
        wanted = {
            name
            for name, owner in owners.items()
            if any(owner[: len(step)] == step[: len(owner)] for step in steps)
        }
        assert wanted <= found
        assert {name for name, owner in owners.items() if owner == (gate,)} <= found
    assert not any(name.startswith("rollback/") for name in reached(modules, "promotion.decision"))


@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_every_way_to_name_a_forbidden_builtin_is_noticed(name: str) -> None:
    first, _, last = name.rpartition(".")
    spelt = "".join(f"\\u{ord(letter):04x}" for letter in last)
    ways = [name, f"count with count as {name}", f"{first}[`{last}`]", f'{first}["{spelt}"]']
    for way in ways:
        assert may_mention_forbidden({"g": f"package g\n\nx := {way}(1)\n"}), way


def test_the_bundled_policies_do_not_even_mention_one() -> None:
    """Else every command would parse them all."""
    assert not may_mention_forbidden(load_bundle([bundled_policies()]).modules)


def test_opa_knows_no_way_to_name_a_builtin_that_the_text_hides(engine: PolicyWorkbench) -> None:
    """A call whose operator is spelt with escapes is one to OPA as well, so it has to be looked for."""
    source = (
        'package g\n\nx := http["s\\u0065nd"]({"method": "get", "url": "http://127.0.0.1:9"})\n'
    )
    parsed = engine.parse({"g": source})["g"]
    assert parsed.error or "send" in str(parsed.tree)
    assert may_mention_forbidden({"g": source})
    bundle = Bundle(modules={"g": source}, data={}, digest="", origin="test")
    with pytest.raises(EngineError) as caught:
        engine.evaluate(bundle, "g.x", {})
    assert caught.value.code in {"policy.forbidden", "policy.syntax"}
