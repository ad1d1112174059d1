"""JUnit's XML, one suite for each namespace."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sluiceway import __version__
from sluiceway.policy.foreign.results import Checked

__all__ = ["written"]

_ESCAPES = {
    '"': "&#34;",
    "'": "&#39;",
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "\t": "&#x9;",
    "\n": "&#xA;",
    "\r": "&#xD;",
}
_ESCAPE = re.compile("[\"'&<>\t\n\r]")
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def written(results: Sequence[Checked], *, hide_message: bool = False) -> str:
    """Return the document. Where conftest names its Go version, this program's is named."""
    suites: dict[str, list[tuple[str, str, str]]] = {}
    for each in results:
        if each.successes or each.warnings or each.failures or each.skipped:
            suites.setdefault(each.namespace, []).extend(_cases(each, hide_message=hide_message))
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<testsuites>" + ("" if suites else "</testsuites>"),
    ]
    for namespace, cases in suites.items():
        name = _escaped(f"conftest.{namespace}")
        failures = sum(kind == "failure" for kind, _, _ in cases)
        lines.append(
            f'\t<testsuite tests="{len(cases)}" failures="{failures}" time="0.000" name="{name}">'
        )
        lines += [
            "\t\t<properties>",
            f'\t\t\t<property name="sluiceway.version" value="{__version__}"></property>',
            "\t\t</properties>",
        ]
        classname = name.rpartition("/")[2]
        for kind, title, text in cases:
            opened = f'\t\t<testcase classname="{classname}" name="{_escaped(title)}" time="0.000">'
            if not kind:
                lines.append(f"{opened}</testcase>")
                continue
            lines.append(opened)
            if kind == "failure":
                lines.append(f'\t\t\t<failure message="Failed" type="">{_escaped(text)}</failure>')
            else:
                lines.append(f'\t\t\t<skipped message="{_escaped(text)}"></skipped>')
            lines.append("\t\t</testcase>")
        lines.append("\t</testsuite>")
    if suites:
        lines.append("</testsuites>")
    return "".join(f"{line}\n" for line in lines)


def _cases(result: Checked, *, hide_message: bool) -> Iterator[tuple[str, str, str]]:
    """Yield kind (``failure``, ``skipped`` or nothing), name and text of each test."""
    for kind, found in (
        ("failure", result.warnings),
        ("failure", result.failures),
        ("skipped", result.skipped),
    ):
        for each in found:
            first = each.message.split("\n", 1)[0]
            bare = hide_message or not each.message
            title = result.file if bare else f"{result.file} - {first}"
            yield kind, title, each.message
    for _ in range(result.successes):
        yield "", result.file, ""


def _escaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES[found[0]], _NO_XML.sub("\ufffd", text))
