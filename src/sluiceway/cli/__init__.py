"""The command line: Invoke collections, one module per group; the only place that exits.

Importing this must stay cheap: commands import what they need when they run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.cli.bytecode import keep_as_python_would
from sluiceway.cli.collecting import begun
from sluiceway.cli.streams import interruptible, listings_part_quietly, open_closed

if TYPE_CHECKING:
    from invoke.collection import Collection

__all__ = ["namespace"]


@interruptible()
@begun()
def namespace() -> Collection:
    """Return every command as an Invoke collection."""
    keep_as_python_would()
    open_closed()
    listings_part_quietly()
    from invoke.collection import Collection

    from sluiceway.cli import (
        audit,
        building,
        demo,
        dry_running,
        engines,
        flags,
        keys,
        looking,
        migrating,
        migration_plans,
        policies,
        policy_bundles,
        policy_workbench,
        promoting,
        reporting,
        simulating,
        sql_style,
        upgrading,
        waiving,
    )
    from sluiceway.cli.parsing import usage_errors_exit_with_two

    root = Collection(
        building.build,
        building.sign,
        building.verify,
        building.sbom,
        building.scan,
        building.release,
        promoting.promote,
        promoting.canary,
        promoting.blue_green,
        promoting.rollback,
        promoting.approve,
        promoting.approvals,
        waiving.waive,
        waiving.waivers,
        promoting.resume,
        looking.status,
        looking.history,
        reporting.report,
        looking.pipeline,
        looking.plugins,
        looking.doctor,
        looking.down,
        simulating.simulate,
        demo.demo,
    )
    for name, tasks in {
        "policy": (
            policies.check,
            policies.run_tests,
            engines.engine,
            engines.serve,
            policy_workbench.evaluate,
            policy_workbench.explain,
            policy_workbench.replay,
            policy_workbench.docs,
            policy_workbench.new,
            policy_bundles.push,
            upgrading.upgrade,
        ),
        "migrations": (
            migrating.check,
            dry_running.dry_run,
            dry_running.record,
            migration_plans.plan,
            migration_plans.status,
            sql_style.lint,
        ),
        "flags": (flags.list_flags, flags.evaluate),
        "audit": (audit.verify,),
        "keys": (keys.new,),
    }.items():
        root.add_collection(Collection(name, *tasks))
    absent = policies.ABSENT
    usage_errors_exit_with_two(
        tuple(root.task_names), {"policy.check": absent, "policy.test": absent}
    )
    return root
