"""Trying a migration on a throw-away database, with the old release's own statements.

What no parser can tell is seen here: a rule may pass and the old release break (a narrower type, a
check, a trigger), and a rule may refuse what harms nobody. Effects are all behind
:class:`ScratchServer` (plugins of the stage ``database``); everything else is pure.
"""

from sluiceway.migrations.dryrun.calls import read_calls, units, write_calls
from sluiceway.migrations.dryrun.catalogue import difference
from sluiceway.migrations.dryrun.records import (
    Applied,
    Attempt,
    Call,
    Catalogue,
    Change,
    Failure,
    Lock,
    Parameter,
    ScratchDatabase,
    ScratchServer,
    StatementRecorder,
    Step,
    TableSize,
    Unit,
)
from sluiceway.migrations.dryrun.report import Outcome, Report, judge
from sluiceway.migrations.dryrun.trial import Trial, dry_run

__all__ = [
    "Applied",
    "Attempt",
    "Call",
    "Catalogue",
    "Change",
    "Failure",
    "Lock",
    "Outcome",
    "Parameter",
    "Report",
    "ScratchDatabase",
    "ScratchServer",
    "StatementRecorder",
    "Step",
    "TableSize",
    "Trial",
    "Unit",
    "difference",
    "dry_run",
    "judge",
    "read_calls",
    "units",
    "write_calls",
]
