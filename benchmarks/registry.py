"""How long does it take to verify a signature and move a tag? Ratios to the tools that people use.

All of them act on one image in one registry on this machine (in its memory: how quick its disk is
would be most of every re-tag), interleaved, so that whatever else the
machine does hits all alike; medians are compared (and the best of each, which a busy machine spoils
least), and requests are counted in the registry's own
log. Usage: registry.py [--rounds 9] [--program docker-registry] [--limit 4]; with --limit it exits
with 1 when verify + re-tag in process is not that many times faster than `cosign verify && crane
tag`, or when a re-tag needs more than four requests.

Needed on PATH: cosign, crane, skopeo, and docker-registry or registry.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluiceway.model import Image, Manifest, Project, Registry

ROOT = Path(__file__).resolve().parent.parent
SOURCE, BASELINE = "dev", "cosign verify && crane tag"
MOST_REQUESTS = 4
"""Of a re-tag: GET, PUT, read back, and the second look at the source."""


@dataclass(frozen=True)
class Bench:
    """One signed image, and where it is."""

    folder: Path
    address: str
    digest: str

    @property
    def repository(self) -> str:
        return f"{self.address}/team/app"

    @property
    def key(self) -> Path:
        return self.folder / "cosign.pub"

    def project(self) -> Project:
        from sluiceway.model import Project

        return Project(service="app", root=self.folder, state=self.folder, environ={})


def main() -> int:
    """Print a table of medians, ratios and requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--program", default="docker-registry", help="or: registry")
    parser.add_argument("--limit", type=float, default=0.0, help="fail below this many times")
    parser.add_argument("--once", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--imports", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        address, folder, digest, tag = arguments.once
        ours(Bench(folder=Path(folder), address=address, digest=digest), tag)
        return 0
    missing = [
        name
        for name in ("cosign", "crane", "skopeo", arguments.program)
        if shutil.which(name) is None
    ]
    if missing:
        print(f"missing on PATH: {', '.join(missing)}; see tools/install-tools", file=sys.stderr)
        return 2
    sys.path.insert(0, str(ROOT))
    from tests.registry_kit import real_registry

    with (
        tempfile.TemporaryDirectory() as name,
        real_registry(
            arguments.program, Path(name) / "registry", access_log=True, in_memory=True
        ) as address,
    ):
        bench = prepared(Path(name), address)
        return report(bench, Path(name) / "registry" / "log", arguments.rounds, arguments.limit)


def prepared(folder: Path, address: str) -> Bench:
    """Push an image of two layers and sign it as a release does."""
    from sluiceway.oci import manifest_from, open_registry, sha256
    from sluiceway.oci.media_types import IMAGE_CONFIG, IMAGE_LAYER, IMAGE_MANIFEST
    from sluiceway_sign_key.keys import generate_key_pair
    from sluiceway_sign_key.signing import sign

    with open_registry(f"{address}/team/app") as registry:
        layers = [registry.put_blob(os.urandom(size)) for size in (200_000, 5_000_000)]
        config = registry.put_blob(
            json.dumps(
                {
                    "architecture": "amd64",
                    "os": "linux",
                    "config": {},
                    "rootfs": {"type": "layers", "diff_ids": [item.digest for item in layers]},
                }
            ).encode()
        )

        def entry(kind: str, digest: str, size: int) -> dict[str, object]:
            return {"mediaType": kind, "digest": digest, "size": size}

        document = {
            "schemaVersion": 2,
            "mediaType": IMAGE_MANIFEST,
            "config": entry(IMAGE_CONFIG, config.digest, config.size),
            "layers": [entry(IMAGE_LAYER, item.digest, item.size) for item in layers],
        }
        manifest: Manifest = manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST)
        assert sha256(manifest.body) == manifest.digest
        registry.put_manifest(SOURCE, manifest)
        generate_key_pair(folder, "password")
        bench = Bench(folder=folder, address=address, digest=manifest.digest)
        from dataclasses import replace

        project = replace(bench.project(), environ={"COSIGN_PASSWORD": "password"})
        sign(project, image_of(bench, registry), manifest, registry, {"key": "cosign.key"})
    return bench


def image_of(bench: Bench, registry: Registry) -> Image:
    from sluiceway.model import Image
    from sluiceway.oci.media_types import IMAGE_MANIFEST

    return Image(repository=registry.repository, digest=bench.digest, media_type=IMAGE_MANIFEST)


def verify_and_retag(bench: Bench, registry: Registry, tag: str) -> None:
    from sluiceway.model import Status
    from sluiceway_sign_key.signing import verify

    evidence = verify(
        bench.project(), image_of(bench, registry), registry, {"public_keys": [str(bench.key)]}
    )
    assert evidence.status is Status.OK, evidence
    retag(bench, registry, tag)


def retag(bench: Bench, registry: Registry, tag: str) -> None:
    from sluiceway.oci import promote_tag

    promote_tag(registry, SOURCE, bench.digest, tag, previous="")


def ours(bench: Bench, tag: str) -> None:
    """What one process of ours does: imports, a client, verify, re-tag."""
    from sluiceway.oci import open_registry

    with open_registry(bench.repository) as registry:
        verify_and_retag(bench, registry, tag)


def tool(*command: str) -> None:
    # Byte code is kept, as on anybody's machine: the first run, unmeasured, writes it.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env=kept
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


def contestants(bench: Bench, registry: Registry) -> Mapping[str, Callable[[str], None]]:
    """Return what is measured, each by the tag that it shall make."""
    reference = f"{bench.repository}@{bench.digest}"

    def crane(tag: str) -> None:
        tool("crane", "tag", "--insecure", reference, tag)

    def skopeo(tag: str) -> None:
        plain = ("--src-tls-verify=false", "--dest-tls-verify=false", "--all")
        tool(
            *("skopeo", "copy", *plain),
            f"docker://{reference}",
            f"docker://{bench.repository}:{tag}",
        )

    def cosign_and_crane(tag: str) -> None:
        offline = ("--insecure-ignore-tlog=true", "--allow-http-registry")
        tool("cosign", "verify", *offline, "--key", str(bench.key), reference)
        crane(tag)

    def process(tag: str) -> None:
        once = (bench.address, str(bench.folder), bench.digest, tag)
        tool(sys.executable, "-P", str(Path(__file__).resolve()), "--once", *once)

    def bare(_tag: str) -> None:
        tool(sys.executable, "-P", "-c", "pass")

    return {
        "crane tag": crane,
        "skopeo copy": skopeo,
        BASELINE: cosign_and_crane,
        "ours, a process: verify + re-tag": process,
        "ours, in process: verify + re-tag": lambda tag: verify_and_retag(bench, registry, tag),
        "ours, in process: re-tag": lambda tag: retag(bench, registry, tag),
        "(an empty Python process)": bare,
    }


def report(bench: Bench, log: Path, rounds: int, limit: float) -> int:
    from sluiceway.oci import open_registry

    with open_registry(bench.repository) as registry:
        known = contestants(bench, registry)
        requests: dict[str, int] = {}
        for number, (name, act) in enumerate(known.items()):  # caches are filled, unmeasured
            before = counted(log)
            act(f"warm-{number}")
            requests[name] = counted(log) - before
            assert name.startswith("(") or registry.resolve(f"warm-{number}") is not None
        samples: dict[str, list[float]] = {name: [] for name in known}
        work: dict[str, list[float]] = {name: [] for name in known}
        for turn in range(rounds):
            for number, (name, act) in enumerate(known.items()):
                began, worked = time.perf_counter(), processor()
                act(f"t{turn}-{number}")
                samples[name].append(time.perf_counter() - began)
                work[name].append(processor() - worked)
    medians = {name: statistics.median(taken) for name, taken in samples.items()}
    bests = {name: min(taken) for name, taken in samples.items()}
    print(
        f"{'':36} {'median':>10} {'ratio':>8} {'best':>10} {'ratio':>8} {'CPU':>10} {'requests':>9}"
    )
    for name, median in medians.items():
        best = bests[name]
        usual = f"{median * 1000:7.1f} ms {medians[BASELINE] / median:7.2f}x"
        quick = f"{best * 1000:7.1f} ms {bests[BASELINE] / best:7.2f}x"
        busy = f"{statistics.median(work[name]) * 1000:7.0f} ms"
        print(f"{name:36} {usual} {quick} {busy} {requests[name]:9}")
    print(f"ratio: how many times faster than `{BASELINE}`; best: what a quiet machine would show")
    times = medians[BASELINE] / medians["ours, in process: verify + re-tag"]
    needed = requests["ours, in process: re-tag"]
    if limit and (times < limit or needed > MOST_REQUESTS):
        print(f"limit: {limit:g} times and {MOST_REQUESTS} requests", file=sys.stderr)
        return 1
    return 0


def processor() -> float:
    """Return the seconds of processor time that this process and its ended children took."""
    taken = os.times()
    return taken.user + taken.system + taken.children_user + taken.children_system


def counted(log: Path) -> int:
    """Return how many requests the registry has written down."""
    time.sleep(0.1)  # it writes a line when the answer is out
    return len(re.findall(r'"[A-Z]+ /v2/[^"]* HTTP/1', log.read_text(errors="replace")))


if __name__ == "__main__":
    sys.exit(main())
