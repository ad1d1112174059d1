"""Commands that make a release: build, sign, verify, sbom, scan, release."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sluiceway.cli.command import Shell, command
from sluiceway.cli.github import write_outputs, write_summary
from sluiceway.cli.scan_formats import FORMAT_HELP, chosen_format, lock_files, relative, show_scan
from sluiceway.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sluiceway.model import Scan

__all__ = ["build", "release", "sbom", "scan", "sign", "verify"]

_DIGEST_HELP = "The image digest; the newest build's when left out."


@command
def build(shell: Shell) -> ExitCode:
    """Build the image and store it in the registry; nothing is signed or promoted."""
    from sluiceway.runs import building

    document = building.built_json(shell.bench)
    write_outputs({"image_digest": document["image"]["digest"], "image_tag": document["tag"]})
    shell.result(
        document,
        lambda console: console.summary(
            "Built",
            {
                "image": f"{document['image']['repository']}@{document['image']['digest']}",
                "tag": document["tag"],
                "reproducible": document["reproducible"],
            },
        ),
    )
    return ExitCode.DONE


@command(help={"digest": _DIGEST_HELP})
def sign(shell: Shell, digest: str = "") -> ExitCode:
    """Sign an image's digest."""
    from sluiceway.runs import release as parts

    image, manifest = parts.open_image(shell.bench, digest)
    evidence = parts.sign(shell.bench, image, manifest)
    shell.result(
        {"image": image, "signature": evidence},
        lambda console: console.summary("Signed", {"image": str(image), "": evidence.summary}),
    )
    return ExitCode.DONE


@command(
    help={
        "digest": _DIGEST_HELP,
        "image": "Any image instead: host/repository:tag or host/repository@sha256:...",
        "key": "A public key to trust instead of the service's configuration.",
        "scanned": "Ask for an attested scan without CRITICAL, HIGH or unrated findings as well.",
    }
)
def verify(
    shell: Shell,
    digest: str = "",
    image: str = "",
    key: str = "",
    scanned: bool = False,  # noqa: FBT001, FBT002 - an option of the command line
) -> ExitCode:
    """Verify the signatures on an image's digest; exit 3 when none is good."""
    import os
    from pathlib import Path

    from sluiceway.runs.inspection import inspect

    if image and digest:
        raise UsageError(
            "--image and --digest name two images",
            remedy="Write the digest into --image: host/repository@sha256:...",
        )
    environ = dict(os.environ)
    bench = shell.bench_or_none if image else shell.bench
    if not image:
        from sluiceway.runs import release as parts

        image = str(parts.open_image(shell.bench, digest)[0])
        environ = {}  # of the service's own image, its configuration says who is trusted
    found = inspect(bench, image, key=key, scanned=scanned, folder=Path.cwd(), environ=environ)
    signature = found.ticks[0].evidence
    scan = {"scan": found.ticks[1].evidence} if scanned else {}
    checks = [
        {"name": tick.name, "good": tick.good, "summary": tick.summary} for tick in found.ticks
    ]
    # Where nothing verifies, the answer itself lists why.
    problems = signature.facts.get("problems", ()) if signature and found.ticks[0].good else ()
    shell.result(
        {
            "image": found.image,
            "signature": signature,
            **scan,
            "checks": checks,
            "verified": found.good,
        },
        lambda console: console.ticks(
            "Verified" if found.good else "Not verified",
            {
                "image": str(found.image),
                "trusted": found.trust,
                **{f"problem {number}": text for number, text in enumerate(problems, 1)},
            },
            found.ticks,
        ),
    )
    return ExitCode.DONE if found.good else ExitCode.REFUSED


@command(help={"digest": _DIGEST_HELP})
def sbom(shell: Shell, digest: str = "") -> ExitCode:
    """List the packages inside an image as SPDX 2.3 and attest the list."""
    from sluiceway.runs import building
    from sluiceway.runs import release as parts

    image, manifest = parts.open_image(shell.bench, digest)
    found = parts.inventory(shell.bench, image, manifest)
    path = parts.sbom_path(shell.bench, image.digest)
    write_outputs(
        {
            "image_digest": image.digest,
            "image_tag": building.own_tag(image.digest),
            "sbom_path": str(path),
        }
    )
    shell.result(
        {"image": image, "packages": found.packages, "sbom_path": str(path)},
        lambda console: console.summary(
            "SBOM", {"image": str(image), "packages": str(found.packages), "file": str(path)}
        ),
    )
    return ExitCode.DONE


@command(
    help={
        "digest": _DIGEST_HELP,
        "fs": "Scan the source tree in this folder and not an image; nothing is attested.",
        "format": FORMAT_HELP,
    }
)
def scan(
    shell: Shell,
    digest: str = "",
    fs: str | None = None,
    format: str = "",  # noqa: A002 - the flag's name
) -> ExitCode:
    """Match packages with known vulnerabilities: an image's, attested, or a source tree's.

    Exits 3 when a scanner found something or could not look; the gate applies the policy's limits.
    """
    chosen = chosen_format(shell, format)
    from sluiceway import gates, scans

    if fs is not None:
        folder, found = _scanned_tree(shell, digest, fs)
        return show_scan(
            shell,
            chosen,
            scans.join(found, subject=folder.resolve().as_uri()),
            subject=str(folder),
            artifact=relative(folder, Path.cwd()),
            by_ecosystem=lock_files(folder, Path.cwd()),
            more={"folder": str(folder), "scans": found},
        )
    from sluiceway.runs import release as parts

    image, manifest = parts.open_image(shell.bench, digest)
    found = parts.scan(shell.bench, image, manifest)
    return show_scan(
        shell,
        chosen,
        scans.join(found, gates.inventoried(shell.bench, image), subject=image.digest),
        subject=str(image),
        artifact=relative(shell.bench.config.dockerfile, shell.bench.project.root),
        more={"image": image, "scans": found},
    )


def _scanned_tree(shell: Shell, digest: str, fs: str) -> tuple[Path, tuple[Scan, ...]]:
    from sluiceway.runs import scanning

    if digest or not fs:
        raise UsageError(
            "--digest names an image and --fs a folder: which of them?"
            if digest
            else "--fs names no folder",
            remedy="Say one of them: invoke scan --fs PATH, or invoke scan --digest DIGEST",
            code="scan.subject",
        )
    folder = Path(fs)
    return folder, scanning.scan_tree(shell.bench_or_bare, folder)


@command(help={"force": "Build again what was built from this commit before."})
def release(shell: Shell, force: bool = False) -> ExitCode:  # noqa: FBT001, FBT002 - a flag of Invoke
    """Build once, sign, inventory and scan: everything before the first promotion.

    What was built from the checked-out commit before is not built again.
    """
    from sluiceway.runs.start import begin

    outcome = begin(shell.bench, "release", target="build", force=force)
    code = shell.ended(outcome, lambda console: console.release(outcome))
    if outcome["outcome"] == "done":
        write_outputs({key: outcome[key] for key in ("image_digest", "image_tag", "sbom_path")})
    write_summary(outcome)
    return code
