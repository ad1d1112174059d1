"""Bundles of policies: put into a registry, signed, and pinned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sluiceway.cli.command import Shell, command
from sluiceway.cli.policies import POLICIES_HELP
from sluiceway.errors import ExitCode, UsageError

__all__ = ["push"]


@command(
    help={
        "to": "The repository, host/path; <the service's>/policies when left out.",
        "policies": POLICIES_HELP,
        "with_data": "Put the site's data files into it as well.",
        "tag": "Name it by this tag too, for servers that follow one.",
    }
)
def push(
    shell: Shell,
    to: str = "",
    policies: str = "",
    with_data: bool = False,  # noqa: FBT001, FBT002 - a flag
    tag: str = "",
) -> ExitCode:
    """Put the policies into a registry as a signed bundle, and say how to pin it."""
    from sluiceway import policy
    from sluiceway.model import Image
    from sluiceway.oci import check_tag
    from sluiceway.policy.artifact import own_tag
    from sluiceway.policy.artifact import push as put
    from sluiceway.workbench import Workbench

    bench = shell.bench
    config = bench.config
    if config.policy_bundle and not policies:
        raise UsageError(
            "[policy] names a bundle, which is in its registry already",
            remedy="Name the folder to make the next one of: --policies=FOLDER",
            code="policy.bundled",
        )
    source = Path(policies) if policies else bench.policies()
    bundle = policy.load_bundle([source], list(config.policy_data) if with_data else [])
    tags = (check_tag(tag),) if tag else ()
    repository = to or config.policy_bundle or f"{config.repository}/policies"
    # As if it were configured: what opens the service's registry is not for another one's eyes.
    bench = Workbench(replace(config, policy_bundle=repository), bench.environ)
    registry = bench.registry_at(repository)
    manifest = put(registry, bundle, tags)
    image = Image(
        repository=registry.repository, digest=manifest.digest, media_type=manifest.media_type
    )
    bench.plugins.one("sluiceway_sign", image=image, manifest=manifest, registry=registry)
    shell.result(
        {
            "bundle": registry.repository,
            "digest": manifest.digest,
            "tags": [own_tag(manifest.digest), *tags],
            "content": bundle.digest,
            "files": len(bundle.modules),
        },
        lambda console: console.verbatim(  # to be copied, so no terminal's width may break it
            f"{len(bundle.modules)} files, signed; their content is {bundle.digest[:19]}\n\n"
            "[policy]\n"
            f'bundle = "{registry.repository}"\n'
            f'digest = "{manifest.digest}"\n'
        ),
    )
    return ExitCode.DONE
