"""Whether a port could be listened on, found out before anything is started."""

from __future__ import annotations

import asyncio

from sluiceway_deploy_local.exchange import Limits
from sluiceway_deploy_local.frontend import Frontend

__all__ = ["free"]


def free(route: str, port: int, limits: Limits) -> None:
    """See that the proxy could listen on *port* of loopback for *route*.

    It is opened as the supervisor opens it, and closed again: what is in the way is said in the same
    words. Nobody is routed to meanwhile.

    Raises:
        ActionFailed: ``deploy.port-taken`` or ``deploy.port-refused``.
    """

    async def tried() -> None:
        frontend = Frontend(route, limits)
        try:
            await frontend.listen(port)
        finally:
            await frontend.close(0.0)

    asyncio.run(tried())
