"""Rego v0 becomes v1: what changes, what stays, and that OPA takes it."""

from __future__ import annotations

import pytest

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


def test_comments_and_imports(engine: EmbeddedEngine) -> None:
    assert upgraded(WHOLE) == BECOMES
    assert engine.parse({"p.rego": BECOMES})["p.rego"].error == ""


@pytest.mark.parametrize(
    "source", ["", "package", "package p\n\na {", "a }{ ]", "package p\nb = ["]
)
def test_what_is_no_rego_is_no_reason_to_fail(source: str) -> None:
    assert isinstance(upgraded(source), str)
