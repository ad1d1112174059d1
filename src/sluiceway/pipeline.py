"""The pipeline as one visible tuple: stages in the order in which a release meets them."""

from __future__ import annotations

from sluiceway.record import Record

__all__ = ["STAGES", "Stage"]


class Stage(Record):
    """One step of the pipeline and the hooks that serve it."""

    name: str
    title: str
    hooks: tuple[str, ...]
    kind: str
    """The prefix of plugin names that serve it and its key in ``[stages]``."""
    default: tuple[str, ...]
    """Names (without the prefix) that serve it unless ``[stages]`` says otherwise."""
    many: bool = False
    """Several plugins may serve it at once."""


STAGES: tuple[Stage, ...] = (
    Stage(
        name="identity",
        title="know who acts",
        hooks=("sluiceway_identify", "sluiceway_sign_statement", "sluiceway_verify_statement"),
        kind="identity",
        default=("ssh",),
    ),
    Stage(
        name="build",
        title="build one image, once",
        hooks=("sluiceway_build",),
        kind="build",
        default=("layers",),
    ),
    Stage(
        name="registry",
        title="store it by digest",
        hooks=("sluiceway_registry",),
        kind="registry",
        default=("folder", "oci"),
        many=True,
    ),
    Stage(
        name="sign",
        title="sign and attest the digest",
        hooks=(
            "sluiceway_new_key",
            "sluiceway_sign",
            "sluiceway_verify",
            "sluiceway_attest",
            "sluiceway_attestations",
        ),
        kind="sign",
        default=("key",),
    ),
    Stage(
        name="sbom",
        title="list what is inside",
        hooks=("sluiceway_sbom",),
        kind="sbom",
        default=("catalogue",),
    ),
    Stage(
        name="scan",
        title="match with known vulnerabilities",
        hooks=("sluiceway_scan", "sluiceway_scan_tree"),
        kind="scan",
        default=("osv",),
        many=True,
    ),
    Stage(
        name="evidence",
        title="gather the gate's evidence",
        hooks=("sluiceway_evidence",),
        kind="gate",
        default=("smoke", "contract"),
        many=True,
    ),
    Stage(
        name="sql",
        title="read database migrations",
        hooks=("sluiceway_sql_parser", "sluiceway_sql_style"),
        kind="sql",
        default=("libpg-query", "sqlfluff"),
        many=True,
    ),
    Stage(
        name="database",
        title="try migrations on a throw-away database",
        hooks=("sluiceway_scratch_database", "sluiceway_statement_recorder"),
        kind="database",
        default=("url", "embedded"),
        many=True,
    ),
    Stage(
        name="approval",
        title="hear who consents",
        hooks=("sluiceway_approvals",),
        kind="approval",
        default=("github",),
        many=True,
    ),
    Stage(
        name="policy",
        title="judge it by Rego",
        hooks=("sluiceway_policy_engine",),
        kind="policy",
        default=("server", "embedded", "cli"),
        many=True,
    ),
    Stage(
        name="deploy",
        title="deploy, weigh and watch",
        hooks=(
            "sluiceway_preflight",
            "sluiceway_deploy",
            "sluiceway_set_weight",
            "sluiceway_switch",
            "sluiceway_traffic",
            "sluiceway_observe",
            "sluiceway_drain",
            "sluiceway_rollback",
        ),
        kind="deploy",
        default=("local",),
    ),
    Stage(
        name="notify",
        title="tell people",
        hooks=("sluiceway_notify",),
        kind="notify",
        default=("terminal", "webhook"),
        many=True,
    ),
    Stage(
        name="flags",
        title="release apart from deployment",
        hooks=("sluiceway_flags",),
        kind="flags",
        default=("environment",),
    ),
)
