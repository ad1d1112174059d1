"""What flows through the pipeline: frozen records, and their JSON.

A room is imported when something of it is first asked for: making all these records takes longer than
much of what commands do, and few commands have a use for more than some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.lazy import later
from sluiceway.model.json import canonical, digest_of, parse_time, rfc3339, to_json

if TYPE_CHECKING:
    from sluiceway.model.approval import Approval, ApprovalRequest, Verdict
    from sluiceway.model.check import Check, CheckStatus
    from sluiceway.model.decision import Actor, Decision, Finding, Level, Place, Waiver
    from sluiceway.model.digest import check_digest
    from sluiceway.model.evidence import (
        Attestation,
        Evidence,
        Maker,
        Sbom,
        Scan,
        Status,
        Vulnerability,
    )
    from sluiceway.model.image import (
        BuildRequest,
        Built,
        Descriptor,
        Image,
        Manifest,
        Pushed,
        Registry,
    )
    from sluiceway.model.project import CanaryLimits, Environment, Project, Strategy
    from sluiceway.model.release import (
        Deployment,
        DeployRequest,
        Fence,
        GateRequest,
        Notice,
        Observation,
        Side,
        Slot,
        Traffic,
    )

__all__ = [
    "Actor",
    "Approval",
    "ApprovalRequest",
    "Attestation",
    "BuildRequest",
    "Built",
    "CanaryLimits",
    "Check",
    "CheckStatus",
    "Decision",
    "DeployRequest",
    "Deployment",
    "Descriptor",
    "Environment",
    "Evidence",
    "Fence",
    "Finding",
    "GateRequest",
    "Image",
    "Level",
    "Maker",
    "Manifest",
    "Notice",
    "Observation",
    "Place",
    "Project",
    "Pushed",
    "Registry",
    "Sbom",
    "Scan",
    "Side",
    "Slot",
    "Status",
    "Strategy",
    "Traffic",
    "Verdict",
    "Vulnerability",
    "Waiver",
    "canonical",
    "check_digest",
    "digest_of",
    "parse_time",
    "rfc3339",
    "to_json",
]

__getattr__ = later(
    __name__,
    {
        "Actor": "decision",
        "Approval": "approval",
        "ApprovalRequest": "approval",
        "Attestation": "evidence",
        "BuildRequest": "image",
        "Built": "image",
        "CanaryLimits": "project",
        "Check": "check",
        "CheckStatus": "check",
        "Decision": "decision",
        "DeployRequest": "release",
        "Deployment": "release",
        "Descriptor": "image",
        "Environment": "project",
        "Evidence": "evidence",
        "Fence": "release",
        "Finding": "decision",
        "GateRequest": "release",
        "Image": "image",
        "Level": "decision",
        "Maker": "evidence",
        "Manifest": "image",
        "Notice": "release",
        "Observation": "release",
        "Place": "decision",
        "Project": "project",
        "Pushed": "image",
        "Registry": "image",
        "Sbom": "evidence",
        "Scan": "evidence",
        "Side": "release",
        "Slot": "release",
        "Status": "evidence",
        "Strategy": "project",
        "Traffic": "release",
        "Verdict": "approval",
        "Vulnerability": "evidence",
        "Waiver": "decision",
        "check_digest": "digest",
    },
)
