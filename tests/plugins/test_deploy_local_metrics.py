"""What the proxy counted, as Prometheus and its own client library read it."""

from __future__ import annotations

import http.client
import json
import math
import shutil
import socket
import subprocess
import urllib.parse

import pytest
from prometheus_client.parser import text_string_to_metric_families

import sluiceway_deploy_local as plugin
from sluiceway.errors import ConfigurationError
from sluiceway_deploy_local.counters import BOUNDS_MS, Counters
from sluiceway_deploy_local.metrics import Sample, answer, render

from .deploy_local_kit import ask, opened, until

DIGEST = "sha256:" + "a" * 64


def parsed(page):
    """Return ``{(sample name, labels): value}``; two samples of one name and labels are a defect."""
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, f"{sample.name} {sample.labels} is there twice"
            found[key] = sample.value
    return found


def total(found, name, **labels):
    wanted = set(labels.items())
    return sum(
        value for (known, those), value in found.items() if known == name and wanted <= those
    )


def test_every_way_a_request_can_end_is_one_series():
    counters = Counters()
    for status, milliseconds in ((200, 3), (200, 10), (200, 10.001), (404, 40), (503, 4_000_000)):
        counters.answered(status, int(milliseconds * 1000))
    for reason in ("connect", "reset", "timeout", "protocol", "reset"):
        counters.failed(reason)
    counters.aborted += 1
    samples = [
        Sample("production", "stable", DIGEST, 95.0, counters),
        Sample("production", "canary", DIGEST, 5.0, Counters()),
    ]
    found = parsed(render(samples, {"production": 7}))
    stable = {"destination_workload": "production-stable", "destination_version": DIGEST}
    codes = {
        (dict(labels)["response_code"], dict(labels)["response_flags"]): value
        for (name, labels), value in found.items()
        if name == "istio_requests_total"
    }
    assert codes == {
        ("200", "-"): 3,
        ("404", "-"): 1,
        ("503", "-"): 1,
        ("502", "UF"): 1,
        ("502", "UC"): 2,
        ("504", "UT"): 1,
        ("502", "UPE"): 1,
        ("0", "DC"): 1,
    }
    name = "istio_request_duration_milliseconds"
    ok = {**stable, "response_code": "200"}
    assert [total(found, f"{name}_bucket", le=le, **ok) for le in ("1", "5", "10", "25")] == [
        0,
        1,
        2,
        3,
    ], "a bound belongs to its bucket"
    assert total(found, f"{name}_count", **ok) == 3
    assert total(found, f"{name}_sum", **ok) == pytest.approx(23.001)
    late = {**stable, "response_code": "503"}
    assert total(found, f"{name}_bucket", le="3600000", **late) == 0
    assert total(found, f"{name}_bucket", le="+Inf", **late) == 1
    assert total(found, "sluiceway_slot_weight_percent", **stable) == 95
    assert total(found, "sluiceway_requests_refused_total", destination_service="production") == 7


def test_what_is_shown_agrees_with_what_a_canary_is_judged_by():
    counters = Counters()
    for number in range(1000):
        counters.answered(500 if number % 7 == 0 else 200, number * number)
    counters.failed("timeout")
    found = parsed(render([Sample("r", "canary", DIGEST, 5, counters)], {}))
    name = "istio_requests_total"
    assert total(found, name) == counters.requests
    errors = sum(total(found, name, response_code=code) for code in ("500", "502", "504"))
    assert errors == counters.errors
    fine = {float(bound): count for bound, count in counters.latency_ms().items()}
    for bound in BOUNDS_MS:
        shown = total(found, "istio_request_duration_milliseconds_bucket", le=str(bound))
        surely = sum(count for upper, count in fine.items() if upper <= bound)
        perhaps = sum(
            count for upper, count in fine.items() if upper <= bound * (1 + 1 / 31) + 0.01
        )
        assert surely <= shown <= perhaps


def test_names_cannot_break_out_of_their_quotes():
    page = render([Sample('a"b\\c\nd', "stable", DIGEST, 100, Counters())], {'a"b': 1})
    values = {dict(labels)["destination_service"] for _, labels in parsed(page)}
    assert values == {'a"b\\c\nd', 'a"b'}


def test_counters_of_a_supervisor_before_this_one_are_understood():
    saved = Counters().to_json()
    del saved["answers"]
    assert Counters.from_json(saved).answers == {}


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", b"200"),
        (b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n", b"200"),
        (b"GET /metrics?name=x HTTP/1.1\r\nHost: a\r\n\r\n", b"200"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n", b"405"),
        (b"nonsense\r\n\r\n", b"400"),
    ],
)
def test_only_the_page_is_served(head, status):
    got = answer(head, lambda: "the page")
    assert got.split()[1] == status
    assert got.endswith(b"the page") == (status == b"200" and head.startswith(b"GET"))


def scrape(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    got = connection.getresponse()
    assert got.status == 200
    return parsed(got.read().decode())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def site(tmp_path):
    with opened(tmp_path, metrics_port=free_port()) as site:
        site.deploy("one")
        site.deploy("two", "canary")
        site.weigh(25)
        yield site


def test_a_live_route_is_read_on_loopback_and_on_the_private_socket(site):
    for _ in range(40):
        ask(site.port())
    ask(site.port(), "/fail")
    found = scrape(site.settings["metrics_port"])
    name = "istio_requests_total"
    assert total(found, name, destination_workload="production-canary") == 10
    assert total(found, name, destination_version=site.image("one").digest) == 31
    assert total(found, name, response_code="500") == 1
    assert (
        total(found, "sluiceway_slot_weight_percent", destination_workload="production-canary")
        == 25
    )
    with socket.socket(socket.AF_UNIX) as admin:
        admin.settimeout(10)
        admin.connect((site.project.state / "local" / "socket").read_text())
        admin.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        got = b"".join(iter(lambda: admin.recv(65536), b""))
    head, _, page = got.partition(b"\r\n\r\n")
    assert b"text/plain; version=0.0.4" in head
    assert total(parsed(page.decode()), name) == 41


def test_a_port_that_is_taken_stops_nothing(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with opened(tmp_path, metrics_port=other.getsockname()[1]) as site:
            site.deploy("one")
            assert ask(site.port()) == (200, "one 0")
            log = (site.project.state / "local" / "logs" / "supervisor.log").read_text()
            assert [1 for line in log.splitlines() if json.loads(line)["kind"] == "metrics-failed"]
            site.settings["metrics_port"] = 0
            assert site.deploy("one").changed is False


def test_a_port_must_be_one(tmp_path):
    with opened(tmp_path) as site, pytest.raises(ConfigurationError, match="metrics_port is 70000"):
        plugin.sluiceway_traffic(site.project, site.environment(), {"metrics_port": 70000})


@pytest.mark.real_tool("prometheus")
def test_a_real_prometheus_answers_the_query_that_is_asked_of_istio(site, tmp_path):
    ours, its = site.settings["metrics_port"], free_port()
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
        "scrape_configs:\n- job_name: sluiceway\n  static_configs:\n"
        f"  - targets: ['127.0.0.1:{ours}']\n"
    )
    argv = [
        shutil.which("prometheus") or "",
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{its}",
        "--log.level=error",
    ]

    def query(expression):
        connection = http.client.HTTPConnection("127.0.0.1", its, timeout=5)
        try:
            connection.request("GET", "/api/v1/query?query=" + urllib.parse.quote(expression))
            got = connection.getresponse()
            body = got.read()
        except OSError:
            return {}  # it does not listen yet
        finally:
            connection.close()
        if got.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
            return {}  # it listens and is not ready
        found = json.loads(body)
        assert found["status"] == "success", found
        return {
            item["metric"].get("destination_version"): float(item["value"][1])
            for item in found["data"]["result"]
        }

    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            requests = "sum by (destination_version) (istio_requests_total)"
            # A series' first value is where increases count from: each side has one of each kind.
            for path in ("/", "/fail"):
                for _ in range(4):
                    ask(site.port(), path)
            before = until(lambda: sum((found := query(requests)).values()) == 8 and found)
            assert len(before) == 2
            for _ in range(40):
                ask(site.port())
            for _ in range(20):
                ask(site.port(), "/fail")
            wanted = {digest: seen + 15 * (3 if seen > 2 else 1) for digest, seen in before.items()}
            assert until(lambda: query(requests) == wanted), (query(requests), wanted)
            of, by = "istio_requests_total", "sum by (destination_version)"
            ratio = f'{by} (rate({of}{{response_code=~"5.."}}[20s])) / {by} (rate({of}[20s]))'
            errors = until(lambda: len(found := query(ratio)) == 2 and found)
            assert all(0 < share < 1 for share in errors.values()), errors
            slow = query(
                "histogram_quantile(0.99, sum by (le, destination_version) "
                "(rate(istio_request_duration_milliseconds_bucket[20s])))"
            )
            assert len(slow) == 2
            assert all(0 < value < math.inf for value in slow.values()), slow
        finally:
            server.terminate()
