"""Commands of a policy author: check, test, and the engine that they need."""

from __future__ import annotations

from pathlib import Path

from sluiceway.cli.command import Shell

__all__ = ["check", "engine", "test"]


def _roots(shell: Shell, policies: str) -> list[Path]:
    if policies:
        return [Path(policies)]
    from sluiceway import policy

    configured = shell.bench.config.policy_path
    return [configured if configured is not None else policy.bundled()]
