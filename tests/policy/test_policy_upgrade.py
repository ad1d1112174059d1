"""Rego v0 becomes v1: what changes, what stays, and that OPA takes it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from sluiceway.policy.foreign.run import run_verify
from sluiceway.policy.foreign.settings import Options
from sluiceway.policy.renaming import renamed
from sluiceway.policy.upgrade import upgraded
from sluiceway_policy_embedded.engine import EmbeddedEngine

WHOLE = """package main # a comment { [

import data.lib
import future.keywords.in
import future.keywords.every # why
import data.lib

default allow = false

deny[msg] { # not [a] = body {
	input.x == "} { =" # {
	msg := sprintf(`{ %v`, [{"a": {1, 2}}])
}
"""
BECOMES = """package main # a comment { [

import data.lib
 # why

default allow := false

deny contains msg if { # not [a] = body {
	input.x == "} { =" # {
	msg := sprintf(`{ %v`, [{"a": {1, 2}}])
}
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a { true }", "a if { true }"),
        ("a = 1 { true }", "a := 1 if { true }"),
        ("a = 1", "a := 1"),
        ("a := 1 { true }", "a := 1 if { true }"),
        ('deny["x"]', 'deny contains "x"'),
        ('deny["x"] { true }', 'deny contains "x" if { true }'),
        ("deny[ x ] { x := 1 }", "deny contains x  if { x := 1 }"),
        ('deny[{"msg": m}] { m := "a" }', 'deny contains {"msg": m} if { m := "a" }'),
        ("deny[x[0]] { x := [1] }", "deny contains x[0] if { x := [1] }"),
        ("a[k] = v { v := input[k] }", "a[k] := v if { v := input[k] }"),
        ("f(x) = y { y := x }", "f(x) := y if { y := x }"),
        ("f(x) { x }", "f(x) if { x }"),
        ("a = {1} { true }", "a := {1} if { true }"),
        ('a = {"k": {2}} { true }', 'a := {"k": {2}} if { true }'),
        ("a = x { x = 1 }", "a := x if { x = 1 }"),
        ("a = f(input.y)[0].z { true }", "a := f(input.y)[0].z if { true }"),
        ("a = {1, 2} - {2} { true }", "a := {1, 2} - {2} if { true }"),
        ("a = [x |\n\tx := input[_]\n] { true }", "a := [x |\n\tx := input[_]\n] if { true }"),
        ("a { true } else { false }", "a if { true } else if { false }"),
        (
            "a = 1 { true } else = 2 { true } else = 3",
            "a := 1 if { true } else := 2 if { true } else := 3",
        ),
        ("a { true }\nelse = 2 {\n true }", "a if { true }\nelse := 2 if {\n true }"),
        ("a { x } { y }", "a if { x }\n\na if { y }"),
        (
            "deny[m] { m := 1 } { m := 2 }",
            "deny contains m if { m := 1 }\n\ndeny contains m if { m := 2 }",
        ),
        ("a.b = 1 { true }", "a.b := 1 if { true }"),
        ("default f(x) = 1", "default f(x) := 1"),
        ("a { re_match(`b{1}`, input.x) }", "a if { regex.match(`b{1}`, input.x) }"),
        ("a { any([true]) }", "a if { (true in [true]) }"),
        ("a { all(input.x) }", "a if { (count([1 | some x__ in input.x; x__ != true]) == 0) }"),
        ("any(x) = 1 { any(x) }", "any(x) := 1 if { any(x) }"),
        ("a { data.lib.any(x) }", "a if { data.lib.any(x) }"),
    ],
)
def test_a_rule_becomes(engine: EmbeddedEngine, old: str, new: str) -> None:
    found = upgraded(f"package p\n\n{old}\n")
    assert found == f"package p\n\n{new}\n"
    assert engine.parse({"p.rego": found})["p.rego"].error == ""
    assert upgraded(found) == found


@pytest.mark.parametrize(
    "source",
    [
        "a contains x if { x := 1 }",
        "a if input.x == 2\n\nb := 1 if true",
        "a contains x if some x in input\n\nb[k] := v if some k, v in input",
        "a := 1 if { true } else := 2 if { true }",
        "a if {\n\tevery x in input { x > 1 }\n}",
        "a := {k: v | some k, v in input}",
        "a :=\n\t1",
        "a := 1 +\n\t2",
        "test_x if { a with input as {} with data.x as {1} }",
    ],
)
def test_v1_stays_as_it_is(engine: EmbeddedEngine, source: str) -> None:
    module = f"package p\n\nimport rego.v1\n\n{source}\n"
    assert engine.parse({"p.rego": module})["p.rego"].error == ""
    assert upgraded(module) == module


NAMES = """package p

contains(list, x) {
	list[_] = x
} {
	list == x
}

deny[msg] {
	in := input.allowed
	some every
	every = input.names[_]
	not contains(in, every)
	not in.any
	msg := sprintf("%v is not in %v", [every, in])
}

ok {
	input.contains
	data.q.contains
}

test_named {
	input := {"allowed": ["a"], "names": ["a", "b"]}
	input_ := 1
	deny == {`b is not in ["a"]`} with input as input
	count([1 | input.names[_]]) == 2
	input_ == 1
}

test_the_document {
	count(deny) == 0 with input as {"names": ["a"], "allowed": ["a"]}
	not input.names
}
"""


def test_names_that_are_words_of_v1_get_another(engine: EmbeddedEngine) -> None:
    found = upgraded(NAMES)
    assert engine.parse({"p.rego": found})["p.rego"].error == ""
    assert found.startswith("package p\n\ncontains_(list, x) if {\n")
    assert "\n\ncontains_(list, x) if {\n\tlist == x\n}" in found
    assert "in_ := input.allowed\n\tsome every_\n\tevery_ = input.names" in found
    assert "not contains_(in_, every_)\n\tnot in_.any\n" in found
    assert "\tinput.contains\n\tdata.q.contains\n" in found
    assert "with input as input__\n\tcount([1 | input__.names[_]]) == 2\n\tinput_ == 1" in found
    assert found.endswith("\tnot input.names\n}\n")


@pytest.mark.real_tool("conftest")
def test_names_that_are_words_of_v1_mean_what_they_did(
    engine: EmbeddedEngine, tmp_path: Path
) -> None:
    policy = tmp_path / "p_test.rego"
    policy.write_text(NAMES)
    argv = ["conftest", "verify", "--rego-version=v0", "--output=json", "--policy", str(policy)]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    policy.write_text(upgraded(NAMES))
    ran = run_verify(engine, Options(policy=(str(policy),), output="json"))
    assert ran.text == ended.stdout
    assert [each["successes"] for each in json.loads(ran.text)] == [1, 1]


@pytest.mark.parametrize(
    "source",
    [
        "import future.keywords.in\n\na if { some in in [1]; in := 2 }",
        "import rego.v1\n\ncontains(x) if x",
        "deny contains msg if { msg := 1 }\n\nwarn[msg] { msg := 2 }",
        "a { contains(input.x, input.y) }",
        "a { x := input.in; y := input.every }",
        "a { input.x; [y | input := 1; y := input] }",
    ],
)
def test_other_words_keep_their_names(source: str) -> None:
    assert renamed(f"package p\n\n{source}\n") == f"package p\n\n{source}\n"


def test_comments_and_imports(engine: EmbeddedEngine) -> None:
    assert upgraded(WHOLE) == BECOMES
    assert engine.parse({"p.rego": BECOMES})["p.rego"].error == ""


@pytest.mark.parametrize(
    "source", ["", "package", "package p\n\na {", "a }{ ]", "package p\nb = ["]
)
def test_what_is_no_rego_is_no_reason_to_fail(source: str) -> None:
    assert isinstance(upgraded(source), str)
