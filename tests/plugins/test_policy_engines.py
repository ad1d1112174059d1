"""Three engines, one answer: what a policy may do, and what it is refused for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluiceway.policy import Bundle, PolicyEngine, bundled_policies, load_bundle
from sluiceway.policy.builtins import ALLOWED, FORBIDDEN, capabilities

from .policy_engines_kit import (
    CODES,
    FATES,
    bundle,
    code_of,
    fate,
    make_cli,
    make_embedded,
    make_server,
    serving,
)


@pytest.fixture(scope="module")
def embedded() -> Iterator[PolicyEngine]:
    engine = make_embedded()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolicyEngine]:
    engine = make_cli(tmp_path_factory.mktemp("cli"))
    yield engine
    engine.close()


@pytest.mark.parametrize("name", FATES)
def test_the_embedded_engine(embedded: PolicyEngine, name: str) -> None:
    source, value = FATES[name]
    assert fate(embedded, bundle(source)) == CODES.get(name, value)


@pytest.mark.real_tool("opa")
@pytest.mark.parametrize("name", FATES)
def test_the_program(cli: PolicyEngine, name: str) -> None:
    source, value = FATES[name]
    assert fate(cli, bundle(source)) == CODES.get(name, value)


@pytest.mark.real_tool("opa")
@pytest.mark.parametrize("name", [name for name in FATES if name != "unknown function"])
def test_the_server(tmp_path: Path, name: str) -> None:
    source, value = FATES[name]
    with serving(tmp_path, bundle(source)) as url:
        engine = make_server(tmp_path, url)
        assert fate(engine, bundle(source)) == CODES.get(name, value)
        engine.close()


@pytest.mark.real_tool("opa")
@pytest.mark.parametrize(
    ("source", "code"),
    [
        *((each, "syntax") for each in ("x := {", "x := y", "x := data.q.f(1)", "deny { true }")),
        ("x := y(1)\n\ny(v) := y(v - 1)", "recursion"),
    ],
)
def test_what_does_not_compile_is_refused_with_its_place(
    embedded: PolicyEngine, cli: PolicyEngine, source: str, code: str
) -> None:
    for engine in (embedded, cli):
        with pytest.raises(Exception, match=r"^g/rule\.rego:[345]: rego_") as caught:
            engine.evaluate(bundle(source), "g.x", {})
        assert caught.value.code == f"policy.{code}"  # type: ignore[attr-defined]


@pytest.mark.real_tool("opa")
def test_values_come_back_as_they_went(
    embedded: PolicyEngine, cli: PolicyEngine, tmp_path: Path
) -> None:
    values = [0, -1, 2**63, 10**30, 1.5, 1e-7, "", 'ü\u2028\0\\"<&>', [1, [2]], {"a": {"b": None}}]
    echo = bundle("x := [input.v, data.g.v]", {"g": {"v": values}})
    with serving(tmp_path, echo) as url:
        server = make_server(tmp_path, url)
        for engine in (embedded, cli, server):
            assert engine.evaluate(echo, "g.x", {"v": values}) == [values, values], engine.name
        server.close()


@pytest.mark.real_tool("opa")
@pytest.mark.parametrize("path", ["", "g.x; true", "g x", "g.x\n", 'g["x"]', "g..x", "--help"])
def test_a_path_is_only_ever_a_path(cli: PolicyEngine, tmp_path: Path, path: str) -> None:
    server = make_server(tmp_path, "http://127.0.0.1:9")
    for engine in (cli, server):
        assert code_of(engine, bundle("x := 1"), path) == "policy.evaluation"


@pytest.mark.real_tool("opa")
@pytest.mark.parametrize("value", ["\ud800", float("nan"), {1, 2}], ids=["surrogate", "nan", "set"])
def test_what_is_not_json_is_refused_and_not_repaired(
    embedded: PolicyEngine, cli: PolicyEngine, tmp_path: Path, value: Any
) -> None:
    server = make_server(tmp_path, "http://127.0.0.1:9")
    for engine in (embedded, cli, server):
        assert fate(engine, bundle("x := input.v"), {"v": value}) == "policy.evaluation"


@pytest.mark.real_tool("opa")
@pytest.mark.parametrize("engine_name", ["cli", "server"])
def test_the_package_of_the_server_itself_is_not_for_gates(
    cli: PolicyEngine, tmp_path: Path, engine_name: str
) -> None:
    policies = Bundle(
        modules={"a.rego": "package system.g\n\nx := 1\n"}, data={}, digest="", origin="test"
    )
    engine = cli if engine_name == "cli" else make_server(tmp_path, "http://127.0.0.1:9")
    assert code_of(engine, policies, "system.g.x") == "policy.layout"


# --- one list of built-ins --------------------------------------------------------------------


@pytest.mark.real_tool("opa")
def test_every_built_in_of_this_opa_is_judged() -> None:
    current = json.loads(
        subprocess.run(["opa", "capabilities", "--current"], capture_output=True, check=True).stdout
    )
    names = {each["name"] for each in current["builtins"]}
    assert names - ALLOWED - FORBIDDEN.keys() == set()
    assert not ALLOWED & FORBIDDEN.keys()
    kept = capabilities(current)
    assert {each["name"] for each in kept["builtins"]} == names & ALLOWED
    assert kept["allow_net"] == []
    assert kept["features"] == current["features"]


@pytest.mark.real_tool("opa")
def test_the_capabilities_alone_refuse_as_well(tmp_path: Path) -> None:
    """A second wall: what the walk over the syntax tree might miss, OPA does not compile."""
    current = subprocess.run(["opa", "capabilities", "--current"], capture_output=True, check=True)
    file = tmp_path / "capabilities.json"
    file.write_text(json.dumps(capabilities(json.loads(current.stdout))))
    (tmp_path / "p").mkdir()
    for name in sorted(FORBIDDEN):
        arity = next(
            len(each["decl"].get("args") or [])
            for each in json.loads(current.stdout)["builtins"]
            if each["name"] == name
        )
        arguments = ", ".join(["input"] * arity)
        (tmp_path / "p" / "g.rego").write_text(f"package g\n\nx := {name}({arguments})\n")
        command = ["opa", "eval", "--bundle", "p", "--capabilities", str(file), "data.g.x"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode != 0, name
        assert f"undefined function {name}" in done.stdout
    (tmp_path / "p" / "g.rego").write_text("package g\n\nx := count([1])\n")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0


@pytest.mark.real_tool("opa")
def test_the_bundled_policies_compile_with_the_allowed_built_ins(cli: PolicyEngine) -> None:
    policies = load_bundle([bundled_policies()])
    for gate in policies.schemas:
        assert cli.evaluate(policies, f"{gate}.decision", {})["deny"]
