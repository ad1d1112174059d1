"""What the proxy counted, in the names that Istio's Envoy uses, as Prometheus reads it.

Names, labels and buckets: Istio, "Istio Standard Metrics", and Envoy's default histogram buckets
(2000 ms is added: it is the pipeline's own limit). Text: Prometheus exposition format 0.0.4.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from sluiceway_deploy_local import wire
from sluiceway_deploy_local.counters import BOUNDS_MS, FAILURES, Counters
from sluiceway_deploy_local.table import HOST
from sluiceway_deploy_local.wire import Malformed

if TYPE_CHECKING:
    from sluiceway_deploy_local.route import Route

__all__ = ["CONTENT_TYPE", "Sample", "Scrape", "answer", "asked", "page", "render"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HEAD_SECONDS = 5.0
_HEAD_BYTES = 8 * 1024


class Sample(NamedTuple):
    """One slot of one route."""

    route: str
    slot: str
    digest: str
    weight: float
    """Percent, as in force."""
    counters: Counters


def page(routes: Collection[Route]) -> str:
    """Return the page for *routes*."""
    return render(
        [sample for route in routes for sample in route.samples()],
        {route.name: route.frontend.refused for route in routes},
    )


def render(samples: Iterable[Sample], refused: Mapping[str, int]) -> str:
    """Return the page for *samples*; *refused* holds each route's requests that reached no slot."""
    slots = list(samples)
    lines = [
        "# HELP istio_requests_total Requests by what a client was told.",
        "# TYPE istio_requests_total counter",
    ]
    for sample in slots:
        for code, flags, count in _requests(sample.counters):
            labels = _labels(sample, response_code=code, response_flags=flags)
            lines.append(f"istio_requests_total{labels} {count}")
    lines += [
        "# HELP istio_request_duration_milliseconds From a request's last byte to its answer's.",
        "# TYPE istio_request_duration_milliseconds histogram",
    ]
    for sample in slots:
        lines += _durations(sample)
    lines += [
        "# HELP sluiceway_slot_weight_percent The share of the route's requests that is in force.",
        "# TYPE sluiceway_slot_weight_percent gauge",
    ]
    lines += [
        f"sluiceway_slot_weight_percent{_labels(sample)} {sample.weight:.10g}" for sample in slots
    ]
    lines += [
        "# HELP sluiceway_requests_refused_total Requests that the proxy refused by itself.",
        "# TYPE sluiceway_requests_refused_total counter",
    ]
    lines += [
        f'sluiceway_requests_refused_total{{destination_service="{_text(route)}"}} {count}'
        for route, count in refused.items()
    ]
    return "\n".join(lines) + "\n"


def _requests(counters: Counters) -> Iterator[tuple[str, str, int]]:
    """Yield response code, Envoy's response flags and count; what was cut counts as 502 as well."""
    for status, answers in sorted(counters.answers.items()):
        yield str(status), "-", sum(answers[:-1])
    for reason, (code, flags) in FAILURES.items():
        if counters.failures[reason]:
            yield code, flags, counters.failures[reason]
    if counters.aborted:
        yield "0", "DC", counters.aborted


def _durations(sample: Sample) -> Iterator[str]:
    name = "istio_request_duration_milliseconds"
    for status, answers in sorted(sample.counters.answers.items()):
        reached = 0
        more = {"response_code": str(status), "response_flags": "-"}
        for bound, count in zip((*BOUNDS_MS, "+Inf"), answers, strict=False):
            reached += count
            yield f"{name}_bucket{_labels(sample, **more, le=str(bound))} {reached}"
        yield f"{name}_sum{_labels(sample, **more)} {answers[-1] / 1000:.10g}"
        yield f"{name}_count{_labels(sample, **more)} {reached}"


def _labels(sample: Sample, **more: str) -> str:
    labels = {
        "reporter": "source",  # as a gateway does: it sees connections that are refused, too
        "source_workload": "sluiceway-proxy",
        "destination_service": sample.route,
        "destination_workload": f"{sample.route}-{sample.slot}",
        "destination_version": sample.digest,
        "request_protocol": "http",
        **more,
    }
    return "{" + ",".join(f'{name}="{_text(value)}"' for name, value in labels.items()) + "}"


def _text(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def answer(head: bytes, page: Callable[[], str]) -> bytes:
    """Return the whole answer to a request's *head*; the connection ends with it."""
    try:
        request = wire.parse_request(head)
    except Malformed as fault:
        return wire.plain(fault.status, fault.reason)
    only_head = request.method == b"HEAD"
    if request.method not in (b"GET", b"HEAD"):
        return wire.plain(405, "This is only read.", fields=["Allow: GET, HEAD"])
    if request.target.partition(b"?")[0] != b"/metrics":
        return wire.plain(404, "There is only /metrics here.", head=only_head)
    return wire.whole(200, page().encode(), CONTENT_TYPE, head=only_head)


async def asked(reader: asyncio.StreamReader, page: Callable[[], str], begun: bytes = b"") -> bytes:
    """Read a request, of which *begun* has been read already, and return its answer.

    Raises ``EOFError`` or ``TimeoutError`` for one that does not end, ``ValueError`` when too long.
    """
    head = begun
    async with asyncio.timeout(_HEAD_SECONDS):
        while not head.endswith(b"\r\n\r\n"):
            if len(head) > _HEAD_BYTES:
                msg = "a request for metrics is too long"
                raise ValueError(msg)
            line = await reader.readline()
            if not line:
                raise EOFError
            head += line
    return answer(head, page)


class Scrape:
    """The port on loopback where Prometheus reads.

    Args:
        page: Returns what it is told.
        note: Told what goes wrong: a port that is taken must not stop a deployment.
    """

    def __init__(self, page: Callable[[], str], note: Callable[..., None]) -> None:
        self._page = page
        self._note = note
        self._server: asyncio.Server | None = None
        self._port = 0

    async def listen(self, port: int) -> None:
        """Listen on *port*, and no longer where it did before; 0 for nowhere."""
        if port == self._port and (port == 0 or self._server is not None):
            return
        self.close()
        self._port = port
        if port:
            try:
                self._server = await asyncio.start_server(
                    self._serve, HOST, port, limit=_HEAD_BYTES
                )
            except OSError as error:
                self._note("metrics-failed", port=port, reason=error.strerror or str(error))

    def close(self) -> None:
        """Listen no longer."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(await asked(reader, self._page))
            await writer.drain()
        except (OSError, EOFError, ValueError):
            pass  # also when it takes too long: whoever reads metrics asks again
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
