"""How a Dockerfile is refused: always by file and line."""

from __future__ import annotations

from sluiceway.errors import ConfigurationError, PluginError

__all__ = ["needs_engine", "wrong"]


def wrong(
    where: str, what: str, remedy: str = "", code: str = "build.dockerfile"
) -> ConfigurationError:
    """Return the error for what is wrong at *where* (``Dockerfile:3``)."""
    return ConfigurationError(f"{where}: {what}", remedy=remedy, code=code)


def needs_engine(where: str, what: str, remedy: str = "") -> PluginError:
    """Return the error for something right that this builder does not do."""
    return PluginError(
        f"{where}: {what} needs docker or buildah",
        means="The embedded builder puts files into layers; it runs nothing and pulls nothing.",
        remedy=remedy
        or "Prepare those files before the build and COPY them, or choose another builder: "
        '[stages] build = "docker" or "buildah".',
        code="build.needs-engine",
    )
