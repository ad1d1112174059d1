"""Which built-ins a policy may use: those whose value follows from their arguments alone.

The lists are complete for OPA 1.20 (``capabilities.json``). A call of anything that is in neither
list, and that the modules do not define, is refused as well: a built-in of a later OPA has to be
judged first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sluiceway.policy.engine import EngineError, Parsed
from sluiceway.policy.tree import (
    aliases,
    calls,
    mentions,
    package,
    plain_message,
    row_of,
    rule_name,
)
from sluiceway.record import Record

__all__ = [
    "ALLOWED",
    "FORBIDDEN",
    "Forbidden",
    "OPA_LINE",
    "capabilities",
    "find_forbidden",
    "refuse_forbidden",
]

OPA_LINE = "1.20"
"""The line of OPA's releases that the lists are complete for and engines were compared on."""

_CLOCK = "asks the clock; the moment of a decision is input.now"
_NETWORK = "reaches the network; what a decision needs belongs in its input or data"
_CHANCE = "depends on chance, so that the same input would not give the same decision"
_KEYS = "handles private keys, which are no business of a policy"

FORBIDDEN: Mapping[str, str] = {
    "crypto.parse_private_keys": _KEYS,
    "crypto.x509.parse_and_verify_certificates": _CLOCK,
    "crypto.x509.parse_and_verify_certificates_with_options": _CLOCK,
    "crypto.x509.parse_keypair": _KEYS,
    "crypto.x509.parse_rsa_private_key": _KEYS,
    "http.send": _NETWORK,
    "io.jwt.decode_verify": _CLOCK,
    "io.jwt.encode_sign": _CHANCE,
    "io.jwt.encode_sign_raw": _CHANCE,
    "json.match_schema": f"{_NETWORK} (a schema's $ref may name an address or a file)",
    "json.verify_schema": f"{_NETWORK} (a schema's $ref may name an address or a file)",
    "net.lookup_ip_addr": _NETWORK,
    "opa.runtime": "shows the engine's environment and configuration",
    "providers.aws.sign_req": _KEYS,
    "rand.intn": _CHANCE,
    "time.now_ns": _CLOCK,
    "trace": "writes to the engine's trace; use print in tests",
    "uuid.rfc4122": _CHANCE,
}
"""Built-in to what is wrong with it."""

ALLOWED = frozenset(
    # ruff: noqa: SIM905 - a hundred and ninety names read better as a paragraph
    """
    abs all and any array.concat array.flatten array.reverse array.slice assign base64.decode
    base64.encode base64.is_valid base64url.decode base64url.encode base64url.encode_no_pad
    bits.and bits.lsh bits.negate bits.or bits.rsh bits.xor cast_array cast_boolean cast_null
    cast_object cast_set cast_string ceil concat contains count crypto.hmac.equal crypto.hmac.md5
    crypto.hmac.sha1 crypto.hmac.sha256 crypto.hmac.sha512 crypto.md5 crypto.sha1 crypto.sha256
    crypto.x509.parse_certificate_request crypto.x509.parse_certificates div endswith eq equal
    floor format_int glob.match glob.quote_meta graph.reachable graph.reachable_paths
    graphql.is_valid graphql.parse graphql.parse_and_verify graphql.parse_query
    graphql.parse_schema graphql.schema_is_valid gt gte hex.decode hex.encode indexof indexof_n
    internal.member_2 internal.member_3 internal.print internal.template_string
    internal.test_case intersection io.jwt.decode io.jwt.verify_eddsa io.jwt.verify_es256
    io.jwt.verify_es384 io.jwt.verify_es512 io.jwt.verify_hs256 io.jwt.verify_hs384
    io.jwt.verify_hs512 io.jwt.verify_ps256 io.jwt.verify_ps384 io.jwt.verify_ps512
    io.jwt.verify_rs256 io.jwt.verify_rs384 io.jwt.verify_rs512 is_array is_boolean is_null
    is_number is_object is_set is_string json.filter json.is_valid json.marshal
    json.marshal_with_options json.patch json.remove json.unmarshal lower lt lte max min minus mul
    neq net.cidr_contains net.cidr_contains_matches net.cidr_expand net.cidr_intersects
    net.cidr_is_valid net.cidr_merge net.cidr_overlap numbers.range numbers.range_step
    object.filter object.get object.keys object.remove object.subset object.union object.union_n
    or plus print product re_match regex.find_all_string_submatch_n regex.find_n
    regex.globs_match regex.is_valid regex.match regex.replace regex.split regex.template_match
    rego.metadata.chain rego.metadata.rule rego.parse_module rem replace round semver.compare
    semver.is_valid set_diff sort split sprintf startswith strings.any_prefix_match
    strings.any_suffix_match strings.count strings.render_template strings.replace_n
    strings.reverse strings.split_n substring sum time.add_date time.clock time.date time.diff
    time.format time.parse_duration_ns time.parse_ns time.parse_rfc3339_ns time.weekday to_number
    trim trim_left trim_prefix trim_right trim_space trim_suffix type_name union units.parse
    units.parse_bytes upper uri.is_valid uri.parse urlquery.decode urlquery.decode_object
    urlquery.encode urlquery.encode_object uuid.parse walk yaml.is_valid yaml.marshal
    yaml.unmarshal
    """.split()
)
"""Built-ins that are functions of their arguments."""


class Forbidden(Record):
    """One use of something that a policy must not use."""

    file: str
    row: int
    name: str
    reason: str


def capabilities(current: Mapping[str, Any]) -> dict[str, Any]:
    """Return OPA's capabilities document with :data:`ALLOWED` built-ins and no network.

    Args:
        current: What ``opa capabilities --current`` prints: every built-in with its types. Those
            are the program's own; which of them remain is decided here and nowhere else.
    """
    kept = [each for each in current.get("builtins") or [] if each.get("name") in ALLOWED]
    return {**current, "builtins": kept, "allow_net": []}


def find_forbidden(
    parsed: Mapping[str, Parsed], sources: Mapping[str, str], also: Collection[str] = ()
) -> Iterator[Forbidden]:
    """Yield every mention of a forbidden built-in and every call of an unknown function.

    A mention counts wherever it stands, not only as a call: ``with count as http.send`` makes
    one built-in answer for another. What is in *also* may be used too.
    """
    defined: dict[str, set[str]] = {}
    for module in parsed.values():
        if module.tree:
            names = defined.setdefault(package(module.tree), set())
            names.update(rule_name(rule) for rule in module.tree.get("rules") or [])
    for file, module in sorted(parsed.items()):
        if not module.tree:
            continue
        known = {"data", *defined[package(module.tree)], *aliases(module.tree)}
        found = {
            name: FORBIDDEN[name]
            for name in mentions(module.tree)
            if name in FORBIDDEN and name not in also
        }
        judged = {*ALLOWED, *FORBIDDEN, *also}
        for name, _ in calls(module.tree):
            if name not in judged and name.partition(".")[0] not in known:
                found[name] = "is neither defined here nor a built-in that is known to be pure"
        for name, reason in sorted(found.items()):
            row = row_of(sources.get(file, ""), name)
            yield Forbidden(file=file, row=row, name=name, reason=reason)


def refuse_forbidden(
    parsed: Mapping[str, Parsed], sources: Mapping[str, str], also: Collection[str] = ()
) -> None:
    """Raise :class:`EngineError` for the first module that does not parse or use that is wrong.

    Codes: ``policy.syntax``, ``policy.forbidden``.
    """
    for _, module in sorted(parsed.items()):
        if module.error:
            raise EngineError(
                plain_message(module.error),
                means="A policy that cannot be read decides nothing, so the gate refuses.",
                remedy="Correct it at the place named and run `invoke policy.check`.",
                code="policy.syntax",
            )
    for use in find_forbidden(parsed, sources, also):
        raise EngineError(
            f"{use.file}:{use.row}: {use.name} {use.reason}",
            means="The policy was not evaluated, so the gate refuses.",
            remedy="Take it out and pass what it would find as input or data.",
            code="policy.forbidden",
        )
