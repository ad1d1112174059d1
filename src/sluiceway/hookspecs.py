"""The pipeline, stage by stage. A plugin implements any of these; the order is the order of work.

Every hook receives ``project`` (which service, which folders) and ``settings`` (the plugin's own
``[plugins.<name>]`` table of ``sluiceway.toml``, and nothing of anybody else's). A plugin may leave
out arguments that it does not need. Records are frozen; what a hook returns is a record as well.

A plugin that is not asked, because another registry, format or name is meant, returns ``None``.
A plugin that cannot do what it was asked raises :class:`sluiceway.errors.ActionFailed` (tool,
network), :class:`~sluiceway.errors.ConfigurationError` (its settings) or
:class:`~sluiceway.errors.PluginError` (its extra or its tool is missing). Anything else that
escapes is reported as the plugin's defect and refuses.

Hooks marked *one* have exactly one answer: the plugin chosen in ``[stages]``, or for registries the
first of the chosen ones that owns the address. Hooks marked *all* ask every plugin chosen for their
stage; the last two, which belong to no stage, ask every plugin that is installed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:  # every plugin imports this module, and needs few of these
    from sluiceway.migrations.dryrun.records import ScratchServer, StatementRecorder
    from sluiceway.migrations.records import Dialect, Remark, SqlParser
    from sluiceway.model import (
        Actor,
        Approval,
        ApprovalRequest,
        Attestation,
        BuildRequest,
        Built,
        Check,
        Deployment,
        DeployRequest,
        Environment,
        Evidence,
        Fence,
        GateRequest,
        Image,
        Manifest,
        Notice,
        Observation,
        Project,
        Pushed,
        Registry,
        Sbom,
        Scan,
        Traffic,
    )
    from sluiceway.policy.engine import PolicyEngine

__all__ = ["GROUP", "Settings", "hookimpl", "hookspec"]

GROUP = "sluiceway"
"""Entry-point group and pluggy project name."""

Settings = Mapping[str, Any]

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


# --- identity ---------------------------------------------------------------------------------


@hookspec(firstresult=True)
def sluiceway_identify(project: Project, settings: Settings) -> Actor | None:
    """*One.* Say who is acting, and whether that is proven. Must not prompt."""


@hookspec(firstresult=True)
def sluiceway_sign_statement(
    project: Project, statement: bytes, settings: Settings
) -> tuple[Actor, str] | None:
    """*One.* Sign canonical *statement* bytes (a request or an approval) as the acting person.

    Returns the actor and an armoured signature (text).
    """


@hookspec(firstresult=True)
def sluiceway_verify_statement(
    project: Project, statement: bytes, signature: str, settings: Settings
) -> Actor | None:
    """*One.* Return whose signature this is, proven against the site's list of known keys.

    Raises ``ActionFailed`` with the reason when the signature is not valid or nobody's.
    """


# --- build ------------------------------------------------------------------------------------


@hookspec(firstresult=True)
def sluiceway_build(
    project: Project, request: BuildRequest, registry: Registry, settings: Settings
) -> Built | Pushed | None:
    """*One.* Build the image once.

    Either leave it as an OCI layout in ``request.layout`` (``Built``), or have the builder's own
    tool push it to the registry under ``request.tag`` and return the digest that was reported for
    that push (``Pushed``). An error that the tool only mentions in its output is an error.
    """


@hookspec(firstresult=True)
def sluiceway_registry(project: Project, repository: str, settings: Settings) -> Registry | None:
    """*One.* Open *repository* (``host[:port]/path``) when this plugin owns such addresses."""


# --- sign, verify, attest ---------------------------------------------------------------------


@hookspec(firstresult=True)
def sluiceway_new_key(
    project: Project, folder: Path, settings: Settings
) -> tuple[Path, Path] | None:
    """*One.* Make a key pair to sign with in *folder*; return the private and the public file.

    The private one is encrypted where the format allows it, and mode 0600. An existing key is
    never overwritten (``ConfigurationError``).
    """


@hookspec(firstresult=True)
def sluiceway_sign(
    project: Project, image: Image, manifest: Manifest, registry: Registry, settings: Settings
) -> Evidence | None:
    """*One.* Sign the image's digest and store the signature beside it in the registry.

    Returns evidence of kind ``signature``. Signing twice with one key adds nothing.
    """


@hookspec(firstresult=True)
def sluiceway_verify(
    project: Project, image: Image, registry: Registry, settings: Settings
) -> Evidence | None:
    """*One.* Verify the signatures on the image's digest with the trusted keys.

    Returns evidence of kind ``signature``: OK only when at least one signature over exactly this
    digest verifies; FAILED when there are none or none does. Facts: ``{"present": int,
    "verified": int, "keys": [fingerprint or identity], "problems": [text]}``.
    """


@hookspec(firstresult=True)
def sluiceway_attest(
    project: Project,
    image: Image,
    manifest: Manifest,
    registry: Registry,
    predicate_type: str,
    predicate: Mapping[str, Any],
    settings: Settings,
) -> Attestation | None:
    """*One.* Sign an in-toto statement with *predicate* about the image; store it as a referrer."""


@hookspec(firstresult=True)
def sluiceway_attestations(
    project: Project, image: Image, registry: Registry, settings: Settings
) -> Sequence[Attestation] | None:
    """*One.* Return every attestation about the image, each verified or saying why not.

    Newest last where the store has an order. An attestation whose subject is another digest is
    returned with ``verified=False``.
    """


# --- inventory and scan -----------------------------------------------------------------------


@hookspec(firstresult=True)
def sluiceway_sbom(
    project: Project, image: Image, registry: Registry, settings: Settings
) -> Sbom | None:
    """*One.* List the packages inside the image as an SPDX 2.3 document about its digest."""


@hookspec
def sluiceway_scan(
    project: Project, image: Image, sbom: Sbom, registry: Registry, settings: Settings
) -> Scan | None:
    """*All.* Match the packages with known vulnerabilities. No database is NO_DATA."""


@hookspec
def sluiceway_scan_tree(project: Project, folder: Path, settings: Settings) -> Scan | None:
    """*All.* Match what a source tree declares (lock files, manifests) with known vulnerabilities.

    The scan's ``subject`` is the folder as a ``file:`` address. A tree in which there is nothing
    that this scanner understands is NO_DATA, never OK.
    """


# --- gates ------------------------------------------------------------------------------------


@hookspec
def sluiceway_evidence(
    project: Project, request: GateRequest, settings: Settings
) -> Sequence[Evidence] | None:
    """*All.* Gather further evidence for a promotion: smoke tests, contract tests, migrations, ...

    Two plugins may not answer with the same kind. A check that could not be made is an evidence
    of status ERROR, not an exception.
    """


@hookspec(firstresult=True)
def sluiceway_sql_parser(
    project: Project, dialect: Dialect, settings: Settings
) -> SqlParser | None:
    """*One.* Return a grammar for *dialect*, or ``None`` when it cannot read that one here.

    ``None`` means another dialect, or not installed: then the next chosen plugin is asked.
    """


@hookspec
def sluiceway_sql_style(
    project: Project, files: Sequence[Path], dialect: Dialect | None, settings: Settings
) -> Sequence[Remark] | None:
    """*All.* Say what is not in the house's style in these files of SQL. No gate ever hears of it.

    ``dialect`` is what was asked for; ``None`` leaves it to the plugin's own configuration.
    """


@hookspec(firstresult=True)
def sluiceway_scratch_database(project: Project, settings: Settings) -> ScratchServer | None:
    """*One.* Open a server on which throw-away databases can be made; the caller closes it.

    ``None`` when there is none here: then the next chosen plugin is asked. Nothing that it did not
    make is ever written or dropped, and what a killed run left is gone after the next one.
    """


@hookspec(firstresult=True)
def sluiceway_statement_recorder(
    project: Project, url: str, settings: Settings
) -> StatementRecorder | None:
    """*One.* Stand between a program and the database at *url*, and write down its statements.

    Everything passes untouched. ``None`` when that address is not this plugin's. The caller closes
    it.
    """


@hookspec
def sluiceway_approvals(
    project: Project, request: ApprovalRequest, settings: Settings
) -> Sequence[Approval] | None:
    """*All.* Say who was asked elsewhere about this promotion, and what they said.

    An approval that cannot count is returned with its ``problem``; a rejection always; and what
    could not be read as one of verdict ``UNKNOWN``, because it may be a rejection. ``proven`` is
    only who was proven to be that person.
    """


@hookspec(firstresult=True)
def sluiceway_policy_engine(project: Project, settings: Settings) -> PolicyEngine | None:
    """*One.* Return an engine that evaluates Rego, or ``None`` when it cannot be used here.

    ``None`` means not configured or not installed: then the next chosen plugin is asked. An engine
    that is there and fails decides nothing else, and the gate refuses.
    """


# --- deploy, route, observe -------------------------------------------------------------------


@hookspec(firstresult=True)
def sluiceway_preflight(
    project: Project, environment: Environment, settings: Settings
) -> Traffic | None:
    """*One.* See that a deployment into *environment* could be made, and return what serves now.

    Asked before anything is changed, and changes and starts nothing. What a deployment would fail
    by all the same (a port that another program has, an engine that does not answer) is raised as
    the same ``ActionFailed``. A deployer may leave it out.
    """


@hookspec(firstresult=True)
def sluiceway_deploy(
    project: Project, request: DeployRequest, registry: Registry, settings: Settings
) -> Deployment | None:
    """*One.* Make the environment run exactly this digest.

    Strategy ``replace``: start it, wait for health, give it all traffic, drain and stop what was
    there; no request is dropped. Strategy ``canary``: start it beside the stable one with weight 0.
    Strategy ``blue-green``: start it in the slot that has no traffic (``blue`` when there is none
    yet), in the place of what was there, with weight 0; nothing happens when the slot that has the
    traffic runs it already, and while a switch is not settled another digest is refused.
    A digest that does not become healthy in ``ready_seconds`` is stopped again, what served before
    still serves, and ``ActionFailed`` says so. Refuses a fence lower than one seen before.
    """


@hookspec(firstresult=True)
def sluiceway_set_weight(
    project: Project, environment: Environment, weight: float, fence: Fence, settings: Settings
) -> Traffic | None:
    """*One.* Give the canary slot *weight* percent of its route and read back what is in force.

    The weight is leased for ``fence.lease_seconds``: without renewal (this same call) it returns
    to 0 by itself.
    """


@hookspec(firstresult=True)
def sluiceway_switch(
    project: Project,
    environment: Environment,
    slot: str,
    settled: bool,  # noqa: FBT001 - hooks are called by name
    fence: Fence,
    settings: Settings,
) -> Traffic | None:
    """*One.* Give all of a blue/green route's traffic to *slot* at once and read back what serves.

    The other slot keeps running, without traffic, so that switching back is this same call. Until
    *settled* the switch is leased for ``fence.lease_seconds``: without renewal (this same call) the
    traffic goes back to the slot that had it before, by itself (to nobody where nobody had it), and
    it does so at once when *slot* ends or the router itself was restarted. No request is dropped.

    Going back to the slot that an unsettled switch came from is settled, whatever is asked. What is
    settled already stays so. A slot in which nothing runs is ``ActionFailed`` and changes nothing.
    """


@hookspec(firstresult=True)
def sluiceway_traffic(
    project: Project, environment: Environment, settings: Settings
) -> Traffic | None:
    """*One.* Read back what serves the environment's route now. Changes nothing."""


@hookspec(firstresult=True)
def sluiceway_observe(
    project: Project,
    environment: Environment,
    health_path: str,
    timeout_seconds: float,
    settings: Settings,
) -> Observation | None:
    """*One.* Read both sides' counters and poll the canary's health once, past the proxy.

    Strategy ``blue-green``: the canary side is the slot that the last unsettled switch was to, also
    after it went back, or else the one that has the traffic; there is no stable side.
    """


@hookspec(firstresult=True)
def sluiceway_drain(
    project: Project, environment: Environment, fence: Fence, settings: Settings
) -> Traffic | None:
    """*One.* Weight 0 for the canary slot, wait for its requests in flight, stop it.

    Strategy ``blue-green``: take back a switch that is not settled, then do the same for the slot
    that has no traffic.
    """


@hookspec(firstresult=True)
def sluiceway_rollback(
    project: Project, request: DeployRequest, registry: Registry, settings: Settings
) -> Deployment | None:
    """*One.* Serve ``request.image`` at 100 % again, first of all; tidy up afterwards.

    ``request.fence`` outranks a lower one. Doing it when it already serves changes nothing. An
    environment of strategy ``blue-green`` is switched instead, and never asked of this.
    """


# --- telling ----------------------------------------------------------------------------------


@hookspec
def sluiceway_notify(project: Project, notice: Notice, settings: Settings) -> None:
    """*All.* Tell people. Failure is reported and never stops or delays what is being told."""


# --- flags ------------------------------------------------------------------------------------


@hookspec(firstresult=True)
def sluiceway_flags(project: Project, settings: Settings) -> Mapping[str, bool | str] | None:
    """*One.* Return the flags that are set for the service, by name."""


# --- the plugin itself ------------------------------------------------------------------------


@hookspec
def sluiceway_doctor(project: Project, settings: Settings) -> Sequence[Check] | None:
    """*All.* Look at what the plugin needs (extra, tool, file, address), each with its remedy.

    Must be quick (under two seconds) and change nothing. A FAIL means that the plugin cannot be
    used as configured.
    """


@hookspec
def sluiceway_shutdown(project: Project, settings: Settings) -> Sequence[str] | None:
    """*All.* Stop what this plugin keeps running on this machine; say what was stopped."""
