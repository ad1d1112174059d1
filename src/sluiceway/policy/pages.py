"""One page for each finding code, written from the METADATA of its rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sluiceway.errors import ActionFailed
from sluiceway.policy.check import RuleDocument, rule_documents
from sluiceway.policy.engine import Bundle, PolicyWorkbench
from sluiceway.policy.reading import Reader
from sluiceway.policy.seen import ANY, shown_path
from sluiceway.policy.tree import rule_rows
from sluiceway.record import Record

__all__ = ["Difference", "compare_pages", "finding_pages", "write_pages"]

_MARK = "<!-- Written by `invoke policy.docs` from the rule's METADATA. Change it there. -->"
_INDEX = "index.md"
_VERBS = {
    "deny": "denies",
    "warn": "warns",
    "advice": "advises, and decides nothing",
    "off": "is off",
}


class Difference(Record, order=True):
    """One page that is not as it would be written."""

    page: str
    kind: str
    """``missing``, ``other`` or ``left over`` (its code is gone)."""


def finding_pages(engine: PolicyWorkbench, bundle: Bundle) -> dict[str, str]:
    """Return the file name and the text of every page, the index included.

    Args:
        engine: Parses.
        bundle: The policies, without their tests.
    """
    parsed = engine.parse(bundle.modules)
    reader = Reader([module.tree for module in parsed.values() if module.tree])
    by_code: dict[str, list[tuple[RuleDocument, tuple[str, ...]]]] = {}
    for document in rule_documents(engine, bundle, parsed):
        code = _custom(document, "code")
        if not code:
            continue
        tree = parsed[document.file].tree
        rows = rule_rows(bundle.modules[document.file], tree) or []
        rule = tree["rules"][rows.index(document.row)]
        reads = {
            shown_path(path)
            for path in reader.rule(document.package, rule).judged
            if path[-1] != ANY
        }
        outer = sorted(reads)
        inner = tuple(p for p in outer if not any(q.startswith((f"{p}.", f"{p}[")) for q in outer))
        by_code.setdefault(code, []).append((document, inner))
    levels = _levels(bundle)
    lib = bundle.data.get("lib")
    waivable = lib.get("waivable") if isinstance(lib, Mapping) else None
    pages = {
        f"{code}.md": _page(code, rules, levels, None if waivable is None else code in waivable)
        for code, rules in sorted(by_code.items())
    }
    return {_INDEX: _index(by_code, levels), **pages}


def _levels(bundle: Bundle) -> dict[str, str]:
    """Return code to level for the rules whose level is data (``data.<gate>.levels``)."""
    found: dict[str, str] = {}
    for gate, data in bundle.data.items():
        levels = data.get("levels") if isinstance(data, Mapping) else None
        if isinstance(levels, Mapping):
            found |= {f"{gate}.{reason}": str(level) for reason, level in levels.items()}
    return found


def _level(document: RuleDocument, levels: Mapping[str, str]) -> str:
    if document.rule == "finding":
        return levels.get(_custom(document, "code"), "deny")
    return "warn" if document.rule.startswith("warn") else "deny"


def compare_pages(folder: Path, pages: Mapping[str, str]) -> list[Difference]:
    """Return what differs between *folder* and *pages*; pages that others wrote are left alone."""
    found = [
        Difference(page=name, kind="other" if (folder / name).is_file() else "missing")
        for name, text in pages.items()
        if _read(folder / name) != text
    ]
    left = [
        Difference(page=path.name, kind="left over")
        for path in folder.glob("*.md")
        if path.name not in pages and _MARK in (_read(path) or "")
    ]
    return sorted([*found, *left])


def write_pages(folder: Path, pages: Mapping[str, str]) -> list[Difference]:
    """Bring *folder* up to date and return what was changed.

    Raises:
        ActionFailed: When it cannot be written (``policy.docs``).
    """
    differences = compare_pages(folder, pages)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for difference in differences:
            path = folder / difference.page
            if difference.page in pages:
                path.write_text(pages[difference.page], encoding="utf-8")
            else:
                path.unlink()
    except OSError as error:
        raise ActionFailed(
            f"{folder} cannot be written: {error.strerror or error}",
            remedy="Give another folder as --to.",
            code="policy.docs",
        ) from error
    return differences


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return None


def _page(
    code: str,
    rules: Sequence[tuple[RuleDocument, tuple[str, ...]]],
    levels: Mapping[str, str],
    waivable: bool | None,  # noqa: FBT001 - one of three answers
) -> str:
    lines = [f"# {code}", "", _MARK, ""]
    for document, reads in rules:
        level = _VERBS.get(_level(document, levels), "denies")
        place = f"package `{document.package}`, `{document.file}`"
        reason = code.partition(".")[2]
        unless = f', unless `data.{document.package}.levels["{reason}"]` says otherwise'
        lines += [
            f"## {_text(document, 'title')}",
            "",
            f"This rule **{level}** ({place}){unless if document.rule == 'finding' else ''}.",
            "",
            _text(document, "description"),
            "",
            f"**What to do.** {_custom(document, 'solution')}",
            "",
        ]
        if reads:
            lines += ["It judges by:", "", *(f"* `{path}`" for path in reads), ""]
    if waivable is not None:
        lines += [
            "A waiver may excuse it."
            if waivable
            else "No waiver excuses it: it is not in `data.lib.waivable`.",
            "",
        ]
    return "\n".join([*lines, "[All findings](index.md)", ""])


def _index(
    by_code: Mapping[str, Sequence[tuple[RuleDocument, tuple[str, ...]]]],
    levels: Mapping[str, str],
) -> str:
    lines = [
        "# Findings",
        "",
        _MARK,
        "",
        "What a gate may say, and what to do about it. Words in braces stand for values of the",
        "decision at hand.",
        "",
        "| code | level | what holds when it is not said |",
        "| --- | --- | --- |",
    ]
    for code, rules in sorted(by_code.items()):
        titles = "; ".join(dict.fromkeys(_text(document, "title") for document, _ in rules))
        said = ", ".join(sorted({_level(document, levels) for document, _ in rules}))
        lines.append(f"| [`{code}`]({code}.md) | {said} | {titles} |")
    return "\n".join([*lines, ""])


def _text(document: RuleDocument, key: str) -> str:
    return " ".join(str(document.metadata.get(key, "")).split())


def _custom(document: RuleDocument, key: str) -> str:
    custom = document.metadata.get("custom")
    return " ".join(str(custom.get(key, "")).split()) if isinstance(custom, Mapping) else ""
