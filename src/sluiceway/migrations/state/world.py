"""What a walk knows: what scripts have made so far, and where the action stands that is looked at."""

from __future__ import annotations

from sluiceway.migrations.records import Dialect, Kind, Maybe
from sluiceway.migrations.state.catalogue import Catalogue, Domain
from sluiceway.migrations.state.draft import Draft
from sluiceway.migrations.state.firing import Triggers
from sluiceway.migrations.state.routines import Routine, Routines
from sluiceway.record import Changing, field

__all__ = ["CATALOGUES", "RECALLED", "Where", "World"]

CATALOGUES = {
    Dialect.POSTGRES: frozenset(
        {
            "pg_aggregate",
            "pg_attrdef",
            "pg_attribute",
            "pg_cast",
            "pg_class",
            "pg_constraint",
            "pg_depend",
            "pg_event_trigger",
            "pg_inherits",
            "pg_namespace",
            "pg_operator",
            "pg_proc",
            "pg_rewrite",
            "pg_trigger",
            "pg_type",
        }
    ),
    Dialect.SQLITE: frozenset({"sqlite_master", "sqlite_schema"}),
}
"""Tables that say what other tables are, and what runs: a row changed there may do anything."""
RECALLED = frozenset(
    {
        Kind.ALTER_DOMAIN, Kind.ALTER_TYPE, Kind.CREATE_DOMAIN, Kind.CREATE_FUNCTION,
        Kind.CREATE_TRIGGER, Kind.DROP_FUNCTION,
    }
)  # fmt: skip
"""What is known of an earlier script."""


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

    def grow_old(self) -> None:
        """Let what was made so far be from before: it excuses nothing any more."""
        self.catalogue = Catalogue(self.routines.dialect)
        self.drafts, self.schemas = [], {}
        self.triggers.grow_old()
        for domain in self.domains.values():
            domain.old = True


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
    within: str = ""
    """The name of the last of these."""
    depth: int = 0
    elsewhere: bool = False
    """In a session of its own, whose work no ROLLBACK of this one takes back."""
    later: bool = False
    """Inside an event, which the server runs at some time after the script."""
