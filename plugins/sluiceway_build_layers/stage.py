"""One stage of a Dockerfile: its files, its configuration, its history."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from sluiceway.record import Changing, Record, field
from sluiceway_build_layers import copying, words
from sluiceway_build_layers.dockerfile import Instruction, exec_form
from sluiceway_build_layers.faults import needs_engine, wrong
from sluiceway_build_layers.tree import Node, Tree

__all__ = ["Layer", "Sources", "Stage"]

_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?")
_LAST_PORT = 65535
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|ns)")
_NANOSECONDS = {"h": 3600e9, "m": 60e9, "s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}
_HEALTH_FLAGS = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}
_ARCHIVE = re.compile(r"\.(tar|tar\.(gz|bz2|xz|zst)|tgz|tbz2?|txz)$", re.IGNORECASE)
_REMOTE = re.compile(r"(https?|ftp|git|ssh)://|git@", re.IGNORECASE)
_SIGNAL = re.compile(r"SIG[A-Z0-9+-]+|\d{1,3}")


class Layer(Record):
    """What one instruction put into the image."""

    entries: Mapping[str, Node]


class Sources(Changing):
    """Where ``COPY`` may take from: the context, and the stages by name and number."""

    context: Tree
    stages: dict[str, Stage]


class Stage(Changing):
    """A stage as far as it has been built."""

    name: str
    tree: Tree
    config: dict[str, Any] = field(default_factory=dict)
    """The ``config`` object of the image configuration (image-spec ``config.md``)."""
    environment: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    """ARGs declared in this stage that have a value."""
    layers: list[Layer] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    author: str = ""
    platform: str = ""
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    command_is_own: bool = False
    """CMD was given in this very stage, so a later ENTRYPOINT leaves it."""

    def begin(self, name: str) -> Stage:
        """Return a new stage ``FROM`` this one."""
        return Stage(
            name=name,
            tree=self.tree.copy(name),
            config=dict(self.config),
            environment=dict(self.environment),
            layers=list(self.layers),
            history=list(self.history),
            author=self.author,
            platform=self.platform,
            shell=self.shell,
        )

    def apply(
        self,
        step: Instruction,
        sources: Sources,
        given: Mapping[str, str],
        defaults: Mapping[str, str],
    ) -> None:
        """Do one instruction.

        Args:
            step: Any instruction but FROM.
            sources: What COPY may take from.
            given: Values for ARG that outrank a default: the settings' and the automatic ones.
            defaults: Values of ARGs before the first FROM, for an ARG here without a default.

        Raises:
            ConfigurationError: What is wrong, by file and line.
            PluginError: ``build.needs-engine``.
        """
        before = len(self.layers)
        if step.name in {"RUN", "ONBUILD"}:
            raise needs_engine(step.where, step.name)
        if step.name == "ARG":
            self._arg(step, given, defaults)
        elif step.name in {"COPY", "ADD"}:
            self._copy(step, sources)
        else:
            getattr(self, f"_{step.name.lower()}")(step)
        entry: dict[str, Any] = {"created_by": step.original}
        if len(self.layers) == before:
            entry["empty_layer"] = True
        self.history.append(entry)

    @property
    def variables(self) -> dict[str, str]:
        """What ``$name`` stands for: ENV outranks ARG."""
        return self.arguments | self.environment

    # --- files ---

    def _copy(self, step: Instruction, sources: Sources) -> None:
        flags = _flags(step, {"from", "chown", "chmod", "link"}, self.variables)
        listed = exec_form(step.rest)
        paths = (
            words.split(step.rest, self.variables, step.where)
            if listed is None
            else tuple(words.expand(word, self.variables, step.where) for word in listed)
        )
        if len(paths) < 2 or not all(paths):  # noqa: PLR2004 - a source and a destination
            raise wrong(step.where, f"{step.name} needs a source and a destination")
        source = sources.context
        if step.name == "ADD":
            self._check_add(step, paths[:-1], flags)
        elif "from" in flags:
            source = self._other(flags["from"] or "", sources, step.where)
        destination = paths[-1]
        if not destination.startswith("/"):
            folder = destination in {".", "./"} or destination.endswith(("/", "/."))
            destination = self._absolute(destination) + ("/" if folder else "")
        layer = copying.copy(
            source,
            self.tree,
            paths[:-1],
            destination,
            copying.ownership(flags.get("chown"), flags.get("chmod"), step.where),
            step.where,
        )
        if layer:
            self.layers.append(Layer(entries=layer))

    def _check_add(
        self, step: Instruction, paths: tuple[str, ...], flags: Mapping[str, str | None]
    ) -> None:
        if "from" in flags:
            raise wrong(step.where, "ADD has no --from", "Use COPY.")
        for path in paths:
            if _REMOTE.match(path):
                raise needs_engine(
                    step.where, f"ADD of the address {path!r}", "Download it first and COPY it."
                )
            if _ARCHIVE.search(path):
                raise needs_engine(
                    step.where, f"ADD of the archive {path!r}", "COPY it, or unpack it first."
                )

    def _other(self, name: str, sources: Sources, where: str) -> Tree:
        stage = sources.stages.get(name.lower())
        if stage is None:
            known = ", ".join(sorted(sources.stages)) or "none so far"
            raise needs_engine(
                where,
                f"COPY --from={name}, which is no earlier stage ({known}),",
                "Name an earlier stage: FROM scratch AS <name>.",
            )
        return stage.tree

    def _workdir(self, step: Instruction) -> None:
        path = self._absolute(self._text(step))
        self.config["WorkingDir"] = path
        layer = copying.make_folder(self.tree, path, step.where)
        if layer:
            self.layers.append(Layer(entries=layer))

    def _absolute(self, path: str) -> str:
        return posixpath.normpath(posixpath.join("/", self.config.get("WorkingDir", "/"), path))

    # --- configuration ---

    def _env(self, step: Instruction) -> None:
        self.environment |= dict(words.pairs(step.rest, self.variables, step.where))
        self.config["Env"] = [f"{name}={value}" for name, value in self.environment.items()]

    def _label(self, step: Instruction) -> None:
        labels = dict(words.pairs(step.rest, self.variables, step.where))
        self.config["Labels"] = self.config.get("Labels", {}) | labels

    def _arg(
        self, step: Instruction, given: Mapping[str, str], defaults: Mapping[str, str]
    ) -> None:
        for word in words.split(step.rest, self.variables, step.where):
            name, equals, default = word.partition("=")
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise wrong(step.where, f"{name!r} is not a name for an ARG")
            if name in given:
                self.arguments[name] = given[name]
            elif equals:
                self.arguments[name] = default
            elif name in defaults:
                self.arguments[name] = defaults[name]

    def _user(self, step: Instruction) -> None:
        self.config["User"] = self._text(step)

    def _expose(self, step: Instruction) -> None:
        ports = dict(self.config.get("ExposedPorts", {}))
        for word in words.split(step.rest, self.variables, step.where):
            match = _PORT.fullmatch(word)
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
            if match is None or not 0 < first <= last <= _LAST_PORT:
                raise wrong(step.where, f"{word!r} is not a port", "Write it like 8080 or 53/udp.")
            for port in range(first, last + 1):
                ports[f"{port}/{match[3] or 'tcp'}"] = {}
        self.config["ExposedPorts"] = ports

    def _volume(self, step: Instruction) -> None:
        listed = exec_form(step.rest)
        paths = words.split(step.rest, self.variables, step.where) if listed is None else listed
        self.config["Volumes"] = self.config.get("Volumes", {}) | {path: {} for path in paths}

    def _entrypoint(self, step: Instruction) -> None:
        self.config["Entrypoint"] = list(self._command(step.rest))
        if not self.command_is_own:
            self.config.pop("Cmd", None)  # a base's CMD was meant for the base's ENTRYPOINT

    def _cmd(self, step: Instruction) -> None:
        self.config["Cmd"] = list(self._command(step.rest))
        self.command_is_own = True

    def _shell(self, step: Instruction) -> None:
        listed = exec_form(step.rest)
        if not listed:
            raise wrong(step.where, "SHELL needs a JSON array", 'Write SHELL ["/bin/sh", "-c"].')
        self.shell = listed
        self.config["Shell"] = list(listed)

    def _command(self, rest: str) -> tuple[str, ...]:
        listed = exec_form(rest)
        return (*self.shell, rest) if listed is None else listed

    def _stopsignal(self, step: Instruction) -> None:
        signal = self._text(step)
        if not _SIGNAL.fullmatch(signal):
            raise wrong(step.where, f"{signal!r} is not a signal", "Write it like SIGTERM or 15.")
        self.config["StopSignal"] = signal

    def _healthcheck(self, step: Instruction) -> None:
        kind, _, command = step.rest.partition(" ")
        flags = _flags(step, {*_HEALTH_FLAGS, "retries"}, {})
        if kind.upper() == "NONE" and not command.strip():
            self.config["Healthcheck"] = {"Test": ["NONE"]}
            return
        if kind.upper() != "CMD" or not command.strip():
            raise wrong(step.where, "HEALTHCHECK is neither NONE nor CMD with a command")
        listed = exec_form(command.strip())
        health: dict[str, Any] = {
            "Test": ["CMD-SHELL", command.strip()] if listed is None else ["CMD", *listed]
        }
        for flag, value in flags.items():
            if flag == "retries":
                if not (value or "").isdigit():
                    raise wrong(step.where, f"--retries={value} is not a number")
                health["Retries"] = int(value or "")
            else:
                health[_HEALTH_FLAGS[flag]] = _nanoseconds(value or "", step.where)
        self.config["Healthcheck"] = health

    def _maintainer(self, step: Instruction) -> None:
        self.author = step.rest

    def _text(self, step: Instruction) -> str:
        text = words.expand(step.rest, self.variables, step.where)
        if not text:
            raise wrong(step.where, f"{step.name} is empty once its variables are replaced")
        return text


def _flags(
    step: Instruction, known: set[str], variables: Mapping[str, str]
) -> dict[str, str | None]:
    flags: dict[str, str | None] = {}
    for name, value in step.flags:
        if name not in known:
            raise needs_engine(
                step.where,
                f"{step.name} --{name}",
                f"Known here are {', '.join('--' + word for word in sorted(known))}.",
            )
        if name in flags:
            raise wrong(step.where, f"--{name} is given twice")
        flags[name] = None if value is None else words.expand(value, variables, step.where)
    return flags


def _nanoseconds(text: str, where: str) -> int:
    pieces = _DURATION.findall(text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text:
        raise wrong(where, f"{text!r} is not a duration", "Write it like 30s or 1m30s.")
    return round(sum(float(number) * _NANOSECONDS[unit] for number, unit in pieces))
