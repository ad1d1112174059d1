"""Beginning a rule: its folder, METADATA and test; it refuses until somebody writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from sluiceway.config.settings import nearest
from sluiceway.errors import ActionFailed, UsageError
from sluiceway.policy.engine import Bundle

__all__ = ["new_rule", "test_name", "write_rule"]

_CODE = re.compile(r"([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)\.([a-z][a-z0-9-]*)")
_PACKAGE = re.compile(r"^package ([a-z][a-z0-9_.]*)$", re.MULTILINE)
_JUDGES = re.compile(r"^(deny contains|decision :=)", re.MULTILINE)
_RULE = """package {package}
{importing}
# METADATA
# title: {title}
# description: Not written yet. Say in a sentence or two what holds, and why it must.
# custom:
#   code: {code}
#   solution: Not written yet. Say what to do, with the command that does it.
deny contains found if {{
	not {holds}
	found := {finding}
}}

# Until a condition stands here, nothing holds, so the gate refuses. For example:
# {holds} if input.image.repository == data.{package}.repository
default {holds} := false
"""
_TEST = """package {package}_test

import data.{package}

test_{holds}_is_not_written_yet if {{
	"{code}" in {{found.code | some found in {package_name}.deny}} with input as {{}}
}}
"""
_LIB_FINDING = 'lib.finding(rego.metadata.rule(), "{code} is not written yet, so it refuses.")'
_OWN_FINDING = """{{
		"code": rego.metadata.rule().custom.code,
		"msg": "{code} is not written yet, so it refuses.",
		"solution": rego.metadata.rule().custom.solution,
	}}"""


def new_rule(code: str, bundle: Bundle) -> dict[str, str]:
    """Return the files of a new rule: path below the policies' root to text.

    Args:
        code: ``<package>.<reason>``, also the finding's code: ``promotion.freeze``.
        bundle: The policies that it joins.

    Raises:
        UsageError: When the code has another form, or there is no such package.
    """
    match = _CODE.fullmatch(code)
    if match is None:
        raise UsageError(
            f"{code!r} is not the code of a rule",
            means="A code is the package and the reason: gate.reason, in small letters.",
            remedy="For example `invoke policy.new promotion.freeze`.",
            code="policy.code",
        )
    package, reason = match[1], match[2]
    packages = {
        named[1]
        for source in bundle.modules.values()
        if _JUDGES.search(source) and (named := _PACKAGE.search(source))
    }
    if package not in packages:
        guess = nearest(package, packages)
        raise UsageError(
            f"{bundle.origin} has no package {package}",
            means="A rule counts when its package's decision holds it; a new package has none.",
            remedy=(f"Did you mean {guess}.{reason}? " if guess else "")
            + f"Packages: {', '.join(sorted(packages))}.",
            code="policy.package",
        )
    words = reason.replace("-", "_")
    with_lib = package != "lib" and "lib/finding.rego" in bundle.modules
    filled: Mapping[str, str] = {
        "package": package,
        "package_name": package.split(".")[-1],
        "code": code,
        "title": reason.replace("-", " ").capitalize(),
        "holds": f"{words}_holds",
        "importing": "\nimport data.lib\n" if with_lib else "",
        "finding": (_LIB_FINDING if with_lib else _OWN_FINDING).format(code=code),
    }
    folder = f"{package.replace('.', '/')}/{words}"
    return {
        f"{folder}/{words}.rego": _RULE.format(**filled),
        f"{folder}/{words}_test.rego": _TEST.format(**filled),
    }


def test_name(code: str) -> str:
    """Return the dotted name of the test that :func:`new_rule` begins the rule of *code* with."""
    package, _, reason = code.rpartition(".")
    return f"{package}_test.test_{reason.replace('-', '_')}_holds_is_not_written_yet"


def write_rule(root: Path, files: Mapping[str, str]) -> list[Path]:
    """Write *files* below *root*, none of which may be there, and return their paths.

    Raises:
        UsageError: When one of them is there already; nothing was written.
        ActionFailed: When one cannot be written; none is left behind.
    """
    paths = {root / name: text for name, text in files.items()}
    for path in paths:
        if path.exists():
            raise UsageError(
                f"{path} is there already",
                means="Nothing was written.",
                remedy="Choose another name, or change that file.",
                code="policy.exists",
            )
    written: list[Path] = []
    made: list[Path] = []
    try:
        for path, text in paths.items():
            if not path.parent.is_dir():  # the rule's own folder, in that of its package
                path.parent.mkdir()
                made.append(path.parent)
            with path.open("x", encoding="utf-8") as file:
                written.append(path)
                file.write(text)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        for folder in made:
            folder.rmdir()
        raise ActionFailed(
            f"{root} cannot be written: {error.strerror or error}",
            remedy="Give a folder of your own as --policies.",
            code="policy.unwritable",
        ) from error
    return written
