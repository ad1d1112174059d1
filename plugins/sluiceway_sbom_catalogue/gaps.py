"""What an image has that this catalogue cannot list. Better said than silently left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sluiceway_sbom_catalogue import golang

__all__ = ["gaps_in", "kind_of"]

_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "RPM packages",
        re.compile(
            r"(var/lib/rpm|usr/lib/sysimage/rpm|usr/share/rpm)/(Packages(\.db)?|rpmdb\.sqlite)"
            r"|var/lib/rpmmanifest/.*"
        ),
    ),
    ("Java archives", re.compile(r".*\.(jar|war|ear|jpi|hpi|sar|nar|par|kar)")),
    ("Ruby gems", re.compile(r"(.*/)?specifications/(default/)?[^/]+\.gemspec")),
    ("PHP packages", re.compile(r"(.*/)?(vendor/composer/installed\.json|composer\.lock)")),
    (".NET packages", re.compile(r"(.*/)?[^/]+\.deps\.json")),
    ("Conda packages", re.compile(r"(.*/)?conda-meta/[^/]+\.json")),
    ("Nix packages", re.compile(r"nix/var/nix/db/db\.sqlite")),
    ("Arch Linux packages", re.compile(r"var/lib/pacman/local/[^/]+/desc")),
    ("Gentoo packages", re.compile(r"var/db/pkg/[^/]+/[^/]+/CONTENTS")),
    ("Snap packages", re.compile(r"(.*/)?meta/snap\.yaml")),
)


def kind_of(path: str) -> str:
    """Return which packages *path* speaks of that are not listed; empty when it does not."""
    return next((kind for kind, pattern in _KINDS if pattern.fullmatch(path)), "")


def gaps_in(files: Mapping[str, bytes]) -> Iterable[str]:
    """Yield a sentence for each kind of package that *files* show and nobody here reads."""
    seen: dict[str, list[str]] = {}
    for path in sorted(files):
        kind = kind_of(path)
        body = files[path]
        if not kind and body.startswith(golang.PREFIX) and not golang.lists_modules(body):
            kind = "Go programs that do not say which modules they are made of"
        if kind:
            seen.setdefault(kind, []).append(path)
    for kind, paths in sorted(seen.items()):
        more = f" and {len(paths) - 1} more files" if len(paths) > 1 else ""
        yield f"{kind} (/{paths[0]}{more})"
