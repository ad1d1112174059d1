"""The engines that an author's commands ask, which do more than decide: parse, test, be asked anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sluiceway.cli.command import Shell
from sluiceway.errors import PluginError

if TYPE_CHECKING:
    from sluiceway.policy import PolicyWorkbench, VisitingEngine

__all__ = ["author_engine", "visiting_engine", "workbench_engine"]


def author_engine(shell: Shell) -> PolicyWorkbench | None:
    """Return the first chosen engine that serves authors; without a service, of the default ones."""
    others: list[str] = []
    for _, found in shell.bench_or_bare.plugins_for("policy").each("sluiceway_policy_engine"):
        if hasattr(found, "parse"):
            return cast("PolicyWorkbench", found)
        others.append(found.name)
        found.close()
    if others:
        raise PluginError(
            f"the engine {others[0]} cannot check or test policies, and no other is here",
            remedy="Install the embedded one for an author's work: invoke policy.engine --install",
            code="policy.no-workbench",
        )
    return None


def workbench_engine(shell: Shell) -> PolicyWorkbench:
    """Return the engine for an author's work, or say which line installs one."""
    found = author_engine(shell)
    if found is None:
        raise PluginError(
            "there is no policy engine on this machine",
            remedy="Install the embedded one: invoke policy.engine --install",
            code="policy.engine-missing",
        )
    return found


def visiting_engine(shell: Shell) -> VisitingEngine:
    """Return the engine for policies that are no gate's, or say which line installs one."""
    found = workbench_engine(shell)
    if not hasattr(found, "ask"):
        raise PluginError(
            f"the engine {found.name} cannot evaluate policies written for other tools",
            remedy="Install the embedded one: invoke policy.engine --install",
            code="policy.no-workbench",
        )
    return cast("VisitingEngine", found)
