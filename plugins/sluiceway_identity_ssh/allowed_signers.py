"""``allowed_signers``: who has which key (ssh-keygen(1), ALLOWED SIGNERS), read fail-closed.

A line that OpenSSH would merely skip makes the whole file unusable here: a list of who may release
is either understood or not.
"""

from __future__ import annotations

import fnmatch
import re
from datetime import UTC, datetime
from pathlib import Path

from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.record import Record
from sluiceway_identity_ssh.keys import PublicKey, unsupported
from sluiceway_identity_ssh.sshsig import NAMESPACE
from sluiceway_identity_ssh.wire import Malformed

__all__ = ["AllowedSigners", "Entry"]

_OPTION = re.compile(r'([A-Za-z-]+)(?:="([^"]*)")?')
_MOMENT = re.compile(r"(\d{8})(?:(\d{4})(\d{2})?)?(Z?)", re.ASCII)
_KEY_KIND = re.compile(r"(sk-)?(ssh|ecdsa)-[a-z0-9@.-]+")


class Entry(Record):
    """One line: this person has this key."""

    name: str
    """The first principal: what the person is called in decisions and in the ledger."""
    key: PublicKey
    namespaces: tuple[str, ...]
    """Patterns; empty means every namespace."""
    valid_after: datetime | None
    valid_before: datetime | None
    line: int

    def problem(self, now: datetime) -> tuple[str, str]:
        """Return ``(code, why)`` when this key may not sign for us at *now*, else ``("", "")``."""
        if self.namespaces and not _matches(self.namespaces, NAMESPACE):
            allowed = ",".join(self.namespaces)
            return "identity.namespace", f"may sign for {allowed!r} only, not for {NAMESPACE!r}"
        if self.valid_after is not None and now < self.valid_after:
            return "identity.not-yet-valid", f"is valid from {self.valid_after.isoformat()} only"
        if self.valid_before is not None and now > self.valid_before:
            return "identity.expired", f"was valid until {self.valid_before.isoformat()}"
        return "", ""


class AllowedSigners(Record):
    """The whole file."""

    path: Path
    entries: tuple[Entry, ...]
    unused: tuple[str, ...]
    """Why lines with keys of other types (FIDO) are not used, for ``invoke doctor``."""

    @classmethod
    def load(cls, path: Path) -> AllowedSigners:
        """Read *path*; raise :class:`ConfigurationError` naming the line that is not understood."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(
                f"cannot read {path}: {error.strerror}",
                means="Without a list of people and their keys nobody can be named.",
                remedy="Create it, with the name under which the policies know you: echo "
                f'"lena namespaces=\\"sluiceway\\" $(cat ~/.ssh/id_ed25519.pub)" >> {path}',
                code="identity.allowed-signers",
            ) from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(
                f"{path} is not UTF-8 text: byte {error.start + 1} cannot be read",
                means="A list of who may release is either understood or refused as a whole.",
                remedy=f"Bring back what was there before (git checkout {path.name}), or save it as UTF-8.",
                code="identity.allowed-signers",
            ) from error
        entries, unused = [], []
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            try:
                found = _entry(line.strip(), number)
            except Malformed as error:
                raise ConfigurationError(
                    f"{path}:{number}: {error}",
                    means="A list of who may release is either understood or refused as a whole.",
                    remedy='Write: name [namespaces="sluiceway"] ssh-ed25519 AAAA... '
                    "(see ssh-keygen(1), ALLOWED SIGNERS).",
                    code="identity.allowed-signers",
                ) from None
            if isinstance(found, Entry):
                entries.append(found)
            else:
                unused.append(f"{path.name}:{number}: {found}")
        return cls(path=path, entries=tuple(entries), unused=tuple(unused))

    def holds(self, key: PublicKey) -> bool:
        """Say whether any line has *key*, valid or not."""
        return any(entry.key == key for entry in self.entries)

    def name(self, key: PublicKey, now: datetime) -> str:
        """Return whose *key* is at *now*.

        Raises:
            ActionFailed: When it is nobody's, or not valid now or for our namespace.
            ConfigurationError: When two people share it.
        """
        entries = [entry for entry in self.entries if entry.key == key]
        if not entries:
            raise ActionFailed(
                f"the key {key.fingerprint} is nobody's in {self.path}",
                means="A signature by a key that is not listed proves nothing.",
                remedy=f"Have this line reviewed and added to it:\n"
                f'you@example.org namespaces="{NAMESPACE}" {key.line}',
                code="identity.unknown",
            )
        problems = [entry.problem(now) for entry in entries]
        valid = [entry for entry, (code, _) in zip(entries, problems, strict=True) if not code]
        if not valid:
            code, why = problems[0]
            raise ActionFailed(
                f"the key {key.fingerprint} of {entries[0].name} {why}",
                means=f"{self.path}:{entries[0].line} says so.",
                remedy="Use a key that is valid, or have the line changed.",
                code=code,
            )
        names = sorted({entry.name for entry in valid})
        if len(names) > 1:
            raise ConfigurationError(
                f"{self.path} gives the key {key.fingerprint} to {' and '.join(names)}",
                means="One key with two names would let one person approve their own request.",
                remedy="Give each person a key of their own.",
                code="identity.allowed-signers",
            )
        return names[0]


def _entry(line: str, number: int) -> Entry | str:
    principals, rest = _first_word(line)
    options = ""
    word, _ = _first_word(rest)
    if not _KEY_KIND.fullmatch(word):
        options, rest = _options_end(rest)
        word, _ = _first_word(rest)
    # Options are checked first: an unknown one may be a restriction, whatever the key is.
    known = _read_options(options)
    name = _name(principals)
    if word.startswith("sk-"):
        return f"{name}: {unsupported(word)}"
    return Entry(
        name=name,
        key=PublicKey.from_line(rest),
        namespaces=_namespaces(known),
        valid_after=_moment(known["valid-after"]) if "valid-after" in known else None,
        valid_before=_moment(known["valid-before"]) if "valid-before" in known else None,
        line=number,
    )


def _first_word(text: str) -> tuple[str, str]:
    text = text.lstrip()
    if text.startswith('"'):
        word, quote, rest = text[1:].partition('"')
        if not quote:
            msg = "a quotation mark is not closed"
            raise Malformed(msg)
        return word, rest.lstrip()
    if not text:
        msg = "there is no key in it"
        raise Malformed(msg)
    words = text.split(maxsplit=1)
    return words[0], words[1] if len(words) > 1 else ""


def _options_end(text: str) -> tuple[str, str]:
    quoted = False
    for index, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character in " \t" and not quoted:
            return text[:index], text[index:].lstrip()
    msg = "there is no key in it" if not quoted else "a quotation mark is not closed"
    raise Malformed(msg)


def _read_options(text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    while text:
        match = _OPTION.match(text)
        rest = text[match.end() :] if match else ""
        if match is None or (rest and not rest.startswith(",")):
            msg = f"the options {text[:60]!r} are not understood"
            raise Malformed(msg)
        name, value = match[1].lower(), match[2]
        if name == "cert-authority":
            msg = "cert-authority is not supported; list each person's own key"
            raise Malformed(msg)
        if name not in ("namespaces", "valid-after", "valid-before") or name in options:
            msg = f"the option {name!r} is {'doubled' if name in options else 'not known'}"
            raise Malformed(msg)
        if not value:
            msg = f'the option {name!r} has no value; write {name}="..."'
            raise Malformed(msg)
        options[name] = value
        text = rest[1:]
    return options


def _namespaces(options: dict[str, str]) -> tuple[str, ...]:
    if "namespaces" not in options:
        return ()
    patterns = tuple(options["namespaces"].split(","))
    if not all(pattern.removeprefix("!") for pattern in patterns):
        msg = "the option 'namespaces' has an empty pattern"  # must not come to mean "every one"
        raise Malformed(msg)
    return patterns


def _name(principals: str) -> str:
    names = principals.split(",")
    for name in names:
        if not name or any(character in name for character in "*?!"):
            msg = f"the principals {principals[:60]!r} do not name one person"
            raise Malformed(msg)
        if not name.isprintable() or name != name.strip():
            msg = "a principal has characters that cannot be printed"
            raise Malformed(msg)
    return names[0]


def _moment(text: str) -> datetime:
    """``YYYYMMDD[HHMM[SS]][Z]``: with Z in UTC, without it in this machine's zone (as OpenSSH)."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        msg = f"{text[:40]!r} is not YYYYMMDD[HHMM[SS]][Z]"
        raise Malformed(msg)
    day, minutes, seconds = match[1], match[2] or "0000", match[3] or "00"
    iso = f"{day[:4]}-{day[4:6]}-{day[6:]}T{minutes[:2]}:{minutes[2:]}:{seconds}"
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        msg = f"{text!r} is not a moment of the calendar"
        raise Malformed(msg) from None
    return moment.replace(tzinfo=UTC) if match[4] else moment.astimezone(UTC)


def _matches(patterns: tuple[str, ...], word: str) -> bool:
    """OpenSSH's match_pattern_list: any pattern, and no negated one."""
    translated = [pattern.replace("[", "[[]") for pattern in patterns]
    if any(fnmatch.fnmatchcase(word, p[1:]) for p in translated if p.startswith("!")):
        return False
    return any(fnmatch.fnmatchcase(word, p) for p in translated if not p.startswith("!"))
