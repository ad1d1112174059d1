"""`invoke waive` and `invoke waivers`: what is given wrong is said before anything is signed."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("length", ["7", "d", "0d", "1w", "-1d", "7 d", "999999d"])
def test_what_is_no_length_of_time_is_said(site, length):
    code, told = site.run("waive", "gate.smoke", "--reason=r", f"--expires={length}")
    assert code == 2
    assert "--expires" in told["error"]["what"]
    assert "7d" in told["error"]["remedy"]


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("image.scan-unscaned", "Did you mean image.scan-unscanned?"),
        ("promotion.role", "Mend what the finding says instead."),
    ],
)
def test_what_cannot_be_waived_is_guessed_at_only_when_it_is_misspelt(site, code, remedy):
    status, told = site.run("waive", code, "--reason=r")
    assert (status, told["error"]["code"]) == (2, "waiver.code")
    assert told["error"]["remedy"] == remedy


def test_without_a_waiver_there_is_nothing_to_show(site):
    assert site.run("waivers") == (0, {"waivers": []})
    assert site.shown("waivers")[1].strip() == "Nothing is waived."


def test_an_unknown_one_cannot_be_withdrawn(site):
    code, told = site.run("waivers", "--withdraw=waive-1")
    assert (code, told["error"]["code"]) == (2, "waiver.unknown")


def test_one_of_the_file_is_listed_with_why_it_does_not_count(site):
    path = site.root / "sluiceway.toml"
    path.write_text(
        path.read_text() + '\n[[waivers]]\ncode = "gate.smoke"\nreason = "r"\nowner = "tom"\n'
        'expires = 2099-01-31\npackage = "pkg:npm/a"\n'
    )
    code, told = site.run("waivers")
    (waiver,) = told["waivers"]
    assert (code, waiver["state"], waiver["package"]) == (0, "not-counting", "pkg:npm/a")
    assert "`invoke waive gate.smoke`" in waiver["why"]
    assert "nobody signed it" in site.shown("waivers")[1].replace("\n", " ")
