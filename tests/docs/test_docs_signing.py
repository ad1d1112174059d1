"""The cosign commands on the page about signatures, run as they are printed there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.plugins.sign_kit import open_kind, project_in, push

import sluiceway_sign_key as signer
from sluiceway import gates

PAGE = Path(__file__).parents[2] / "docs" / "signing.md"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
VSA = "https://slsa.dev/verification_summary/v1"


def commands(heading):
    """Return the command lines under *heading*."""
    section = re.split(
        r"^#+ ", PAGE.read_text().partition(f"\n### {heading}\n")[2], flags=re.MULTILINE
    )[0]
    return [
        line.removeprefix("$ ")
        for block in BLOCK.findall(section)
        for line in block.splitlines()
        if line.startswith("$ ")
    ]


@pytest.mark.parametrize(
    ("heading", "program"),
    [
        pytest.param("cosign 3", "cosign", marks=pytest.mark.real_tool("cosign")),
        pytest.param("cosign 2.6", "cosign-2", marks=pytest.mark.real_tool("cosign-2")),
    ],
)
def test_whoever_has_cosign_alone_can_check(tmp_path, heading, program):
    project = project_in(tmp_path)
    folder = tmp_path / "stranger"
    folder.mkdir()
    shutil.copy(project.state / "cosign.pub", folder)
    lines = commands(heading)
    verifying = [line for line in lines if line.startswith("cosign ")]
    assert len(verifying) == 4
    with open_kind("embedded", tmp_path) as registry:
        image, manifest = push(registry)

        def run(line):
            words = line.replace("cosign ", f"{program} ", 1) if line in verifying else line
            # The page speaks of registries with a certificate; this one is on loopback.
            plain = " --allow-http-registry" if line in verifying else ""
            return subprocess.run(
                ["sh", "-c", words + plain],
                cwd=folder,
                env={**os.environ, "IMAGE": str(image)},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        for line in lines:
            assert (run(line).returncode == 0) == (line not in verifying), line
        signer.sluiceway_sign(project, image, manifest, registry, {})
        for kind in (gates.SPDX, gates.VULNERABILITIES, VSA):
            signer.sluiceway_attest(project, image, manifest, registry, kind, {"n": 1}, {})
        for line in lines:
            done = run(line)
            assert done.returncode == 0, f"{line}: {done.stderr}"
