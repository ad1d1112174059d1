"""The engine's own builder, through the SDK. It has no BuildKit and is in every engine."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from docker.errors import APIError

from sluiceway import events, process
from sluiceway_build_docker.engine import Client, spoken
from sluiceway_build_docker.faults import build_failed
from sluiceway_build_docker.options import Options

__all__ = ["build"]

_STEP = re.compile(r"Step \d+/\d+ : ")
_NOISE = re.compile(r" ---> |Removing intermediate container|Successfully (built|tagged)")
_KEPT_LINES = 200


def build(
    client: Client, chosen: Options, labels: Mapping[str, str], archive: Path, name: str
) -> str:
    """Build the context in *archive* and return the image's id.

    Raises:
        ConfigurationError: ``build.dockerfile``, ``build.target``.
        ActionFailed: ``build.step-failed``, ``build.base-image``, ``build.failed``, ...
    """
    printed: deque[str] = deque(maxlen=_KEPT_LINES)
    identifier = ""
    with archive.open("rb") as context:
        answers = spoken(
            client,
            lambda: client.build(
                fileobj=context,
                custom_context=True,
                dockerfile=name,
                labels=dict(labels),
                buildargs=dict(chosen.args),
                target=chosen.target or None,
                platform=chosen.platform or None,
                network_mode=chosen.network or None,
                pull=chosen.pull == "always",
                nocache=not chosen.cache,
                rm=True,
                forcerm=True,
                decode=True,
            ),
            chosen.timeout_seconds,
        )
        try:
            with closing(answers):
                for answer in answers:
                    if "error" in answer:
                        raise build_failed(str(answer["error"]), list(printed), name)
                    identifier = str((answer.get("aux") or {}).get("ID") or identifier)
                    for line in str(answer.get("stream") or answer.get("status", "")).splitlines():
                        if line.strip():
                            _tell(process.plain(line).rstrip(), printed)
        except APIError as error:
            raise build_failed(str(error.explanation or error), list(printed), name) from error
    if not identifier:
        raise build_failed("the engine reported no image", list(printed), name)
    return identifier


def _tell(line: str, printed: deque[str]) -> None:
    if _STEP.match(line):
        # What a step printed is of interest when that step fails, and not later.
        printed.clear()
        events.emit("build.step", text=line)
    elif not _NOISE.match(line):
        printed.append(line)
        events.emit("build.output", text=line)
