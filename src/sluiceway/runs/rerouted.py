"""What is served again after whoever routed it was killed: with the machine, perhaps."""

from __future__ import annotations

from collections.abc import Callable

from sluiceway.errors import SluicewayError
from sluiceway.model import Environment, Strategy, Traffic
from sluiceway.workbench import Workbench

__all__ = ["ENDED", "rerouted", "unreached"]

ENDED = "its instance has ended, and a canary is not started again by itself"
"""That a canary ended may be its verdict."""


def unreached(environment: Environment) -> str:
    """Return why what runs in *environment* has no address for its clients, and what to do."""
    return (
        f"nothing listens for {environment.route}, as another program may have its port. End that "
        "one, and it is served again by itself"
    )


def rerouted(bench: Workbench, warn: Callable[[str], None]) -> tuple[str, ...]:
    """Have the deployers take up again what they left behind; return the environments that came back.

    A deployer does so when it is asked to observe a route (``sluiceway_observe``). One that routes what
    it deployed, or that left nothing, changes nothing.

    Args:
        bench: The project.
        warn: Told why an environment could not be looked at; the others are all the same.
    """
    from sluiceway.runs.canary import observe  # `status` has no use for it

    def read(environment: Environment) -> Traffic:
        traffic: Traffic = bench.plugins.one("sluiceway_traffic", environment=environment)
        return traffic

    quiet = []
    for environment in bench.config.environments:
        try:
            if not read(environment).slots:
                quiet.append(environment)
        except SluicewayError as error:
            warn(f"{environment.name}: {error.what}")
    back = []
    for environment in quiet:
        try:
            observe(bench, environment, bench.config.limits_of(environment.name))
            traffic = read(environment)
            slot = traffic.serving(environment.strategy)
            if environment.strategy is Strategy.CANARY and slot is not None and not slot.alive:
                warn(f"{environment.name}: {ENDED}")
            elif traffic.url and slot is not None:
                back.append(environment.name)
            elif traffic.slots:
                warn(
                    f"{environment.name} runs again, and nobody reaches it: {unreached(environment)}"
                )
        except SluicewayError as error:
            warn(f"{environment.name}: {error.what}")
    return tuple(back)
