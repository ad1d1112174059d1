"""How a person sees a command: stderr for people, stdout for results."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from sluiceway import events
from sluiceway.console.live import View
from sluiceway.console.page import Line, Page, Tone
from sluiceway.console.stream import Sink
from sluiceway.console.written import indented
from sluiceway.model import to_json
from sluiceway.process import redact, secrets_known

__all__ = ["Console"]


class Console:
    """Prints pages: progress, headings and errors on stderr, results on stdout.

    A stream that is a terminal is painted; any other, or one with ``NO_COLOR`` or ``TERM=dumb``,
    gets plain text without escape sequences. Secrets are taken out of everything.

    Args:
        json_mode: stdout carries one JSON document: nothing but :meth:`result` writes there.
        stdout: For results; ``sys.stdout`` when left out.
        stderr: For people; ``sys.stderr`` when left out.
        environ: Read instead of the process environment (``NO_COLOR``, ``TERM``, ``COLUMNS``).
        width: Cells of a line; asked of the terminal when left out.
        debug: Progress shows programs and traces as well.
        every: Seconds between two lines of an unchanged canary in a log.
    """

    def __init__(
        self,
        *,
        json_mode: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
        width: int | None = None,
        debug: bool = False,
        every: float = 30.0,
    ) -> None:
        environ = os.environ if environ is None else environ
        self.json_mode = json_mode
        self._stdout = Sink(stdout or sys.stdout, environ, width)
        self._stderr = Sink(stderr or sys.stderr, environ, width, needed=False)
        self._view = View(self._stderr, debug=debug, every=every)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Show events as progress on stderr for the duration of the block."""
        try:
            with events.subscribed(self._view):
                yield
        finally:
            self._view.rest()

    # --- stdout ---

    def result(self, document: Any) -> None:
        """Print *document* (records or JSON data) as JSON on stdout, secrets taken out."""
        self._view.rest()
        data = to_json(document)
        with secrets_known() as secrets:
            text = indented(_redacted(data) if secrets else data)
        self._stdout.stream.write(text + "\n")
        self._stdout.stream.flush()

    def verbatim(self, text: str) -> None:
        """Print *text*, which is a format of its own, unwrapped on stdout; secrets taken out."""
        self._view.rest()
        self._stdout.stream.write(text)
        self._stdout.stream.flush()

    def lines(self, lines: Sequence[Any]) -> None:
        """Print each text as it is, one a line."""
        self._print([Line.of(line) for line in lines])

    def summary(self, title: str, items: Mapping[str, Any]) -> None:
        """Print a titled list of labels and values."""
        from sluiceway.console import tables

        self._print(tables.summary(title, items))

    def ticks(self, title: str, items: Mapping[str, Any], ticks: Iterable[Any]) -> None:
        """Print labels and values, then each question with its tick or the reason for none."""
        from sluiceway.console import tables

        self._print(tables.ticks(title, items, ticks, symbols=self._stdout.symbols))

    def decision(self, decision: Any) -> None:
        """Print a decision with every code, reason and solution."""
        from sluiceway.console import tables

        self._print(tables.decision_table(decision))

    def board(
        self,
        service: str,
        rows: Iterable[Any],
        waivers: Iterable[Mapping[str, Any]] = (),
        runs: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """Print which digest is where, since when, by whom and how it is, and what is under way."""
        from sluiceway.console import tables

        self._print(tables.board(service, rows, waivers, runs))

    def history(self, entries: Iterable[Any], *, narrowed: bool = False) -> None:
        """Print what happened."""
        from sluiceway.console import tables

        self._print(tables.history_table(entries, narrowed=narrowed))

    def stages(
        self,
        stages: Iterable[Any],
        path: Sequence[str] = (),
        environments: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """Print the pipeline with the plugins that serve it, and the slots of its path."""
        from sluiceway.console import tables

        self._print(tables.stages_table(stages, path, environments))

    def plugins(self, plugins: Iterable[Any]) -> None:
        """Print the installed plugins."""
        from sluiceway.console import tables

        self._print(tables.plugins_table(plugins))

    def checks(self, checks: Iterable[Any]) -> None:
        """Print what the doctor found, with remedies."""
        from sluiceway.console import tables

        self._print(tables.checks_table(checks))

    def approved(self, signed: Mapping[str, Any]) -> None:
        """Print what was just approved, and whether it counts."""
        from sluiceway.console import consents

        self._print(consents.approved(signed))

    def approvals(
        self,
        approvals: Iterable[Any],
        waiting: Iterable[Mapping[str, Any]] = (),
        waiting_problem: Mapping[str, Any] | None = None,
    ) -> None:
        """Print what waits for whom (or why that cannot be told), and recorded approvals."""
        from sluiceway.console import consents, tables

        page = (
            consents.waiting(waiting) if waiting_problem is None else tables.error(waiting_problem)
        )
        self._print([*page, Line.of(""), *tables.approvals(approvals)])

    def waivers(self, found: Iterable[Any]) -> None:
        """Print every waiver and how it stands."""
        from sluiceway.console import waivers

        self._print(waivers.waivers_table(found))

    def scans(self, subject: Any, report: Any) -> None:
        """Print what scanners said together about *subject* (a ``scans.Report`` or its JSON)."""
        from sluiceway.console import scans

        self._print(scans.scan_report(subject, report))

    def migrations(self, document: Any) -> None:
        """Print what `migrations.check` found."""
        from sluiceway.console import migrations

        with secrets_known():
            page = migrations.migrations_page(document)
        self._print(page)

    def outcome(self, outcome: Any) -> None:
        """Print how a run ended."""
        from sluiceway.console import outcomes

        self._print(outcomes.outcome_page(outcome))

    release = promotion = rollback = outcome

    def resumed(
        self, ended: Iterable[Any], live: Iterable[Mapping[str, Any]], back: Sequence[str] = ()
    ) -> None:
        """Print how runs that were left behind ended, which are carried by somebody, and what serves again."""
        from sluiceway.console import outcomes

        self._print(outcomes.resumed_page(ended, live, back))

    def rehearsal(self, document: Mapping[str, Any]) -> None:
        """Print what a rehearsal showed."""
        from sluiceway.console import outcomes

        self._print(outcomes.rehearsal_page(document))

    def explanation(self, document: Mapping[str, Any]) -> None:
        """Print why a gate decided so."""
        from sluiceway.console import policies

        self._print(policies.explanation_page(document))

    def replay(self, document: Mapping[str, Any]) -> None:
        """Print what changed policies would have decided."""
        from sluiceway.console import policies

        self._print(policies.replay_page(document))

    def migrations_standing(self, service: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Print how each environment stands with its migrations."""
        from sluiceway.console import migration_standing

        self._print(migration_standing.standing_page(service, rows))

    def policy_tests(self, document: Mapping[str, Any]) -> None:
        """Print what the policies' tests said."""
        from sluiceway.console import policies

        self._print(policies.tests_page(document))

    def dry_run(self, document: Mapping[str, Any]) -> None:
        """Print what a migration did on a throw-away database."""
        from sluiceway.console import dry_runs

        self._print(dry_runs.dry_run_page(document))

    def simulation(self, document: Mapping[str, Any]) -> None:
        """Print what simulated canaries came to."""
        from sluiceway.console import simulations

        self._print(simulations.simulation_page(document, symbols=self._stdout.symbols))

    # --- stderr ---

    def heading(self, text: str) -> None:
        """Say what begins."""
        self._tell([Line.of(text, Tone.STRONG)])

    def note(self, text: str) -> None:
        """Say something in passing."""
        self._tell([Line.of(text, Tone.DIM)])

    def warn(self, text: str) -> None:
        """Say something that a person should look at."""
        self._tell([Line.of(text, Tone.WARN)])

    def error(self, diagnostics: Mapping[str, Any]) -> None:
        """Say what happened, what it means and what to do (``SluicewayError.diagnostics()``)."""
        from sluiceway.console import tables

        self._view.rest()
        self._tell(tables.error(diagnostics))

    def _print(self, page: Page) -> None:
        if self.json_mode:
            return
        self._view.rest()
        self._stdout.show(page)

    def _tell(self, page: Page) -> None:
        self._stderr.show(page)


def _redacted(value: Any) -> Any:
    """Take secrets out of every text before JSON escapes it, newlines and all."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(key)): _redacted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    return value
