"""The rehearsal: the whole pipeline for real, on one machine, with an example service."""

from sluiceway.rehearsal.scenario import Scenario
from sluiceway.rehearsal.workspace import Workspace, held

__all__ = ["Scenario", "Workspace", "held"]
