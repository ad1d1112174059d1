"""What a walk knows: what scripts have made so far, and where the action stands that is looked at."""

from __future__ import annotations

from sluiceway.migrations.records import Maybe
from sluiceway.migrations.state.catalogue import Catalogue, Domain
from sluiceway.migrations.state.draft import Draft
from sluiceway.migrations.state.firing import Triggers
from sluiceway.migrations.state.routines import Routine, Routines
from sluiceway.record import Changing, field

__all__ = ["Where", "World"]


class World(Changing):
    """Everything that ROLLBACK takes back."""

    catalogue: Catalogue
    routines: Routines
    drafts: list[Draft] = field(default_factory=list)
    triggers: Triggers = field(default_factory=Triggers)
    schemas: dict[str, Maybe] = field(default_factory=dict)
    domains: dict[tuple[str, str], Domain] = field(default_factory=dict)
    """Each domain that a script has made, by its name in lower case."""
    lock_timeout: bool = False


class Where(Changing):
    """Where the action stands that is being looked at."""

    number: int = 0
    span: tuple[int, int] = (0, 0)
    offset: int | None = None
    """Of a call, for everything that it runs: its line is the one to look at."""
    in_do: bool = False
    dynamic: bool = False
    guessed: bool = False
    conditional: bool = False
    through: tuple[str, ...] = ()
    running: tuple[Routine, ...] = ()
    depth: int = 0
    elsewhere: bool = False
    """In a session of its own, whose work no ROLLBACK of this one takes back."""
    later: bool = False
    """Inside an event, which the server runs at some time after the script."""
