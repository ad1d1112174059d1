"""A plan as files: each migration named as the folder's tool names its own, and the whole as a page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sluiceway.migrations.plans.records import Draft, Plan, Step

__all__ = ["files_of", "markdown"]

_NUMBER = re.compile(r"^(?P<v>V?)(?P<number>\d+(?:[-_.]\d+)*)(?P<rest>_+)")
_MOMENT = 8
"""Digits from which on a number is a date."""
_HEADS = {
    # Tool: what stands first, and what stands first where no transaction may be around it.
    "goose": ("-- +goose Up\n", "-- +goose NO TRANSACTION\n-- +goose Up\n"),
    "dbmate": ("-- migrate:up\n", "-- migrate:up transaction:false\n"),
    "sql-migrate": ("-- +migrate Up\n", "-- +migrate Up notransaction\n"),
    "node-pg-migrate": ("-- Up Migration\n", "-- Up Migration\n"),
    "tern": ("", "---- tern: disable-tx ----\n"),
    "rambler": ("-- rambler up\n", "-- rambler up\n"),
}
_FOLDERS = {"prisma": "migration.sql", "diesel": "up.sql"}
"""Tools that keep every migration in a folder of its own, and what its file is called."""


def files_of(step: Step, layout: str, names: Sequence[str], now: datetime) -> list[tuple[str, str]]:
    """Return path and text of each migration of *step*, in the style of a folder's own.

    Args:
        step: One release.
        layout: Whose folder it is, as reading found out.
        names: What is in it, in the order of the tool.
        now: For tools that name by time.
    """
    found = [each.partition("/")[0] for each in names]
    files = []
    for draft in step.drafts:
        stem = _next(found, layout, now) + draft.slug
        found.append(f"{stem}.sql")
        if layout in _FOLDERS:
            files.append((f"{stem}/{_FOLDERS[layout]}", _text(draft, layout)))
            if layout == "diesel" and not draft.in_transaction:
                files.append((f"{stem}/metadata.toml", "run_in_transaction = false\n"))
            continue
        up = (
            ".up" if layout == "golang-migrate" or (names and names[-1].endswith(".up.sql")) else ""
        )
        files.append((f"{stem}{up}.sql", _text(draft, layout)))
        if layout == "flyway" and not draft.in_transaction:
            files.append((f"{stem}.sql.conf", "executeInTransaction=false\n"))
    return files


def _text(draft: Draft, layout: str) -> str:
    inside, outside = _HEADS.get(layout, ("", ""))
    return (inside if draft.in_transaction else outside) + draft.text


def _next(names: Sequence[str], layout: str, now: datetime) -> str:
    """Return how the next name begins: the last number and one more, or the moment."""
    matches = [match for name in names if (match := _NUMBER.match(name))]
    if not matches:
        return {"flyway": "V1__", "prisma": f"{now:%Y%m%d%H%M%S}_"}.get(layout, "0001_")
    last = matches[-1]
    prefix, number, rest = last["v"], last["number"], last["rest"]
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}-\d{6}", number):
        return f"{_moment(number, '%Y-%m-%d-%H%M%S', now)}{rest}"
    if number.isdigit() and len(number) >= _MOMENT:
        form = "%Y%m%d%H%M%S"[: {8: 6, 10: 8, 12: 10}.get(len(number), 12)]
        return f"{prefix}{_moment(number, form, now)}{rest}"
    before, counted = re.fullmatch(r"(.*?)(\d+)", number).groups()  # type: ignore[union-attr]  # _NUMBER
    return f"{prefix}{before}{int(counted) + 1:0{len(counted)}d}{rest}"


def _moment(last: str, form: str, now: datetime) -> str:
    """Return the moment in the form of *last*, and in any case one that sorts behind it."""
    shown = now.strftime(form)
    if shown > last:
        return shown
    try:
        after = datetime.strptime(last, form).replace(tzinfo=now.tzinfo) + timedelta(seconds=1)
    except ValueError:
        return str(int(last) + 1)  # digits that are no date
    shown = after.strftime(form)
    return shown if shown > last else str(int(last) + 1)


def markdown(plan: Plan) -> str:
    """Return the plan as a page for the people who carry it out."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    about = ", ".join(plan.columns)
    yield f"# {plan.change}: {plan.table}{f' ({about})' if about else ''}"
    yield ""
    yield (
        f"{len(plan.steps)} releases. The migrations of each run while the release before it still "
        "serves, and its code comes after them. Begin one when what the one before says holds."
    )
    for note in plan.notes:
        yield ""
        yield f"* {note}"
    for number, step in enumerate(plan.steps, 1):
        yield from _step(plan, step, number)


def _step(plan: Plan, step: Step, number: int) -> Iterator[str]:
    yield ""
    yield f"## {number}. {step.title}"
    for draft in step.drafts:
        alone = "" if draft.in_transaction else ", alone and outside of a transaction"
        yield from ("", f"Migration `{draft.slug}`{alone}:", "")
        yield from ("```sql", draft.text.rstrip(), "```")
    if not step.drafts:
        yield from ("", "No migration.")
    yield from ("", "The code of this release:", "")
    yield from (f"* {each}" for each in step.code)
    yield from ("", f"In its `uses.toml`, for `{plan.table}`:", "")
    for word, columns in (("reads", step.reads), ("writes", step.writes)):
        rest = [each for each in plan.columns if each not in columns]
        said = ", ".join(f"`{each}`" for each in columns) or "none of these"
        yield f"* {word}: {said}" + (f"; not {', '.join(f'`{e}`' for e in rest)}" if rest else "")
    if step.job:
        yield from (
            "",
            "When it serves alone, run this again and again until it says `UPDATE 0`:",
            "",
        )
        yield from ("```sql", step.job, "```")
    if step.checks:
        yield from ("", "Go on when:", "")
    for check in step.checks:
        asked = f": `{' '.join(check.sql.split())}` says {check.answer}" if check.sql else ""
        yield f"* {check.what}{asked}"
