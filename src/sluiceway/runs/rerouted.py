"""What is served again after whoever routed it was killed: with the machine, perhaps."""

from __future__ import annotations

from collections.abc import Callable

from sluiceway.errors import SluicewayError
from sluiceway.model import Environment
from sluiceway.runs.canary import observe
from sluiceway.workbench import Workbench

__all__ = ["rerouted"]


def rerouted(bench: Workbench, warn: Callable[[str], None]) -> tuple[str, ...]:
    """Have the deployers take up again what they left behind; return the environments that came back.

    A deployer does so when it is asked to observe a route (``sluiceway_observe``). One that routes what
    it deployed, or that left nothing, changes nothing.

    Args:
        bench: The project.
        warn: Told why an environment could not be looked at; the others are all the same.
    """

    def served(environment: Environment) -> bool:
        traffic = bench.plugins.one("sluiceway_traffic", environment=environment)
        return bool(traffic.slots)

    quiet = []
    for environment in bench.config.environments:
        try:
            if not served(environment):
                quiet.append(environment)
        except SluicewayError as error:
            warn(f"{environment.name}: {error.what}")
    back = []
    for environment in quiet:
        try:
            observe(bench, environment, bench.config.limits_of(environment.name))
            if served(environment):
                back.append(environment.name)
        except SluicewayError as error:
            warn(f"{environment.name}: {error.what}")
    return tuple(back)
