"""`simulate` works in a project and outside any, and says what is wrong with its parameters."""

from __future__ import annotations

import json

import pytest
from invoke.program import Program

from sluiceway import simulation
from sluiceway.cli import namespace

QUICK = ("--runs=4", "--fault=total", "--rps=200")


@pytest.fixture
def simulate(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capsys.readouterr()
        code = 0
        try:
            Program(namespace=namespace()).run(["sluiceway", "simulate", *arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return run


def test_outside_any_project_the_defaults_are_simulated(simulate, tmp_path):
    code, out, _ = simulate(*QUICK, "--json", "--html=page.html")
    found = json.loads(out)
    assert code == 0
    assert [each["name"] for each in found["scenarios"]] == ["healthy", "total"]
    assert found["parameters"]["rule"] == "sequential"
    assert found["decided_by"]["engine"] == "twin"
    assert found["scenarios"][1]["rolled_back"]["share"] == 1.0
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") == 4
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_a_person_sees_shares_times_and_curves(simulate):
    code, out, err = simulate(*QUICK)
    assert code == 0
    assert "decided by" in out
    assert "Rolled back" in out
    assert "2 of 2: total" in err


def test_the_projects_own_numbers_and_flags_over_them(simulate, tmp_path):
    text = '[service]\nname = "settlement"\n[canary]\ntraffic_percent = 10.0\nrule = "mission"\n'
    (tmp_path / "sluiceway.toml").write_text(text)
    _, out, _ = simulate(*QUICK, "--json", "--profile=noisy", "--steps=5,20")
    parameters = json.loads(out)["parameters"]
    assert (parameters["rule"], parameters["profile"]) == ("mission", "noisy")
    assert parameters["steps"] == [5.0, 20.0]


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--weather=bse", "Did you mean base?"),
        ("--fault=errors-x6", "Did you mean errors-x"),
        ("--rule=sequental", "sequential"),
        ("--rps=many", "--rps is 'many'"),
        ("--runs=0", "--runs is '0'"),
        ("--traffic-percent=60", "--traffic-percent is 60"),
    ],
)
def test_a_wrong_parameter_ends_with_two_and_the_nearest_right_one(simulate, flag, said):
    code, out, err = simulate(flag)
    assert code == 2
    assert said in err
    assert out == ""


def test_without_numpy_it_says_how_to_get_it(simulate, monkeypatch):
    monkeypatch.setattr(simulation, "find_spec", lambda _: None)
    code, _, err = simulate(*QUICK)
    assert code == 2
    assert 'pip install "sluiceway[simulate]"' in err


def test_site_policies_are_asked_themselves(simulate, tmp_path):
    (tmp_path / "sluiceway.toml").write_text(
        '[service]\nname = "settlement"\n[policy]\ndata = ["data.json"]\n'
    )
    (tmp_path / "data.json").write_text('{"promotion": {"people": {"anna": ["developer"]}}}')
    code, out, err = simulate("--runs=1", "--fault=total", "--rps=500", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["decided_by"]["engine"] == "gate"
    assert found["scenarios"][0]["promoted"]["share"] == 1.0
    assert found["scenarios"][1]["rolled_back"]["share"] == 1.0
