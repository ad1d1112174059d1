"""The rehearsal: the whole pipeline for real, on one machine, with an example service."""

from sluiceway.rehearsal.scenario import Scenario
from sluiceway.rehearsal.workspace import Workspace

__all__ = ["Scenario", "Workspace"]
