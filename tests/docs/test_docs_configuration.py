"""Every whole sluiceway.toml in a page is loaded, and the defaults that are written are the real."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from sluiceway import config, process

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "plugins").glob("*/README.md"),
]
BLOCK = re.compile(r"^```toml\n# sluiceway\.toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, text in enumerate(BLOCK.findall(page.read_text()), 1)
]
STARTED = BLOCK.findall((ROOT / "docs" / "getting-started.md").read_text())


def loaded(folder: Path, text: str) -> config.Config:
    (folder / "sluiceway.toml").write_text(text)
    for name in re.findall(r"^data = \[(.*)\]", text, re.MULTILINE):
        for file in json.loads(f"[{name}]"):
            (folder / file).write_text("{}")
    return config.load(folder / "sluiceway.toml", {})


@pytest.mark.parametrize("text", BLOCKS)
def test_a_configuration_in_the_docs_loads(text, tmp_path):
    loaded(tmp_path, text)


def test_the_written_defaults_are_the_defaults(tmp_path):
    least, every = (loaded(tmp_path, text) for text in STARTED[:2])
    for field in fields(config.Config):
        if field.name != "origins":
            assert getattr(every, field.name) == getattr(least, field.name), field.name


def test_every_key_is_written_down(tmp_path):
    further = ("registries.md", "blue-green.md", "canary.md")
    pages = [(ROOT / "docs" / name).read_text() for name in further]
    texts = (STARTED[1], *(text for page in pages for text in BLOCK.findall(page)))
    document = {
        re.sub(r"^environments\.\w+", "environments.dev", key)
        for text in texts
        for key in loaded(tmp_path, text).origins
    }
    known = {
        f"{table}.{key}"
        for table, keys in config.load.__globals__["_TABLES"].items()
        for key in keys
    } | {f"environments.dev.{key}" for key in config.load.__globals__["_ENVIRONMENT"]}
    assert known <= document


def test_the_examples_of_json_are_json():
    for page in PAGES:
        for block in re.findall(r"^```json\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            json.loads(block)


def test_the_contract_names_every_secret():
    text = (ROOT / "docs" / "contract.md").read_text()
    sentence = text[text.index("The values of") :]
    assert set(re.findall(r"`([A-Z_]+)`", sentence)) == set(process.SECRET_NAMES)


def test_finding_and_error_codes_in_the_docs_exist():
    policies = "".join(path.read_text() for path in (ROOT / "policies").rglob("*.rego"))
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    for page in PAGES:
        text = page.read_text()
        for code in re.findall(r'^code = "([a-z.-]+)"', text, re.MULTILINE):  # a waiver's
            assert re.search(rf"code: {re.escape(code)}$", policies, re.MULTILINE), (
                page.name,
                code,
            )
        for code in re.findall(r'^ *"code": "([a-z.-]+)"', text, re.MULTILINE):
            assert f'"{code}"' in source or f"code: {code}\n" in policies, (page.name, code)
