"""Find, check, register and call plugins. Loading is ordered and strict.

Order is by name. Two owners of one name are refused before anything of theirs is imported; a
plugin that fails to import is named with its distribution; a misspelt hook is an error.
(pluggy's own entry-point loader does none of this.) What serves no chosen stage is imported when
somebody asks what there is.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from types import ModuleType
from typing import Any

import pluggy

from sluiceway import answers, hookspecs
from sluiceway.config.model import Config
from sluiceway.config.settings import nearest
from sluiceway.errors import ActionFailed, PluginError, SluicewayError
from sluiceway.model import Project
from sluiceway.pipeline import STAGES
from sluiceway.record import Record, field

__all__ = ["Found", "Plugins", "discover", "load"]

_KEPT = 64
_STAGE_OF_HOOK = {hook: stage for stage in STAGES for hook in stage.hooks}


class Found(Record):
    """One installed plugin, imported or not."""

    name: str
    """``<kind>-<tool>``."""
    distribution: str
    version: str
    module: str
    hooks: tuple[str, ...] = field(default=())
    problem: str = ""
    """Why it cannot be loaded; empty when it can."""


class _Taken(Record):
    """What came of importing a plugin. Whose it is takes its distribution's METADATA to say."""

    hooks: tuple[str, ...] = ()
    problem: str = ""


def discover() -> tuple[importlib.metadata.EntryPoint, ...]:
    """Return the entry points of group ``sluiceway`` by name.

    Raises:
        PluginError: When two distributions own one name; nothing has been imported.
    """
    owners: dict[str, importlib.metadata.EntryPoint] = {}
    for point in importlib.metadata.entry_points(group=hookspecs.GROUP):
        other = owners.setdefault(point.name, point)
        if other is not point and (other.value, _owner(other)) != (point.value, _owner(point)):
            raise PluginError(
                f"two distributions own the plugin name {point.name!r}: "
                f"{_owner(other)} and {_owner(point)}",
                means="Which one would judge or deploy is not for chance to decide.",
                remedy=f"Uninstall one: pip uninstall {_owner(point)}",
                code="plugin.doubled",
            )
    return tuple(owners[name] for name in sorted(owners))


class Plugins:
    """The installed plugins of one project, called by stage; each is imported when it is first needed.

    Args:
        config: Says which plugins serve which stage, and holds their settings.
        project: Handed to every hook.
        points: The entry points of what is installed, by name.
        strict: Raise :class:`PluginError` when a chosen plugin is needed that cannot be loaded.
    """

    def __init__(
        self,
        config: Config,
        project: Project,
        points: Sequence[importlib.metadata.EntryPoint],
        *,
        strict: bool = True,
    ) -> None:
        self._manager = pluggy.PluginManager(hookspecs.GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._config = config
        self.project = project
        self._points = {point.name: point for point in points}
        self._taken: dict[str, _Taken] = {}
        self._chosen = {name for names in config.stages.values() for name in names}
        self._strict = strict

    @cached_property
    def found(self) -> tuple[Found, ...]:
        """What is installed, by name, loaded or not."""
        return tuple(self._found(name) for name in self._points)

    def _found(self, name: str) -> Found:
        taken, point = self.take(name), self._points[name]
        owner, version = _named(point.dist)
        return Found(
            name=name,
            distribution=owner,
            version=version,
            module=point.value,
            hooks=taken.hooks,
            problem=taken.problem,
        )

    def take(self, name: str) -> _Taken:
        """Import and register the installed plugin *name*, once.

        Raises:
            PluginError: When it is chosen and cannot be loaded.
        """
        taken = self._taken.get(name)
        if taken is None:
            taken = self._taken[name] = _register(self._manager, self._points[name])
        if taken.problem and self._strict and name in self._chosen:
            raise PluginError(
                f"plugin {name} of {' '.join(_named(self._points[name].dist))} cannot be loaded: "
                f"{taken.problem}",
                remedy="Install what it lacks, update it, or choose another in [stages].",
                code="plugin.import",
            )
        return taken

    def serving(self, hook: str) -> tuple[str, ...]:
        """Return the names of the plugins that are asked for *hook*, in order."""
        stage = _STAGE_OF_HOOK.get(hook)
        names = (
            self._config.stages[stage.kind]
            if stage is not None
            else tuple(name for name in self._points if not self.take(name).problem)
        )
        return tuple(name for name in names if self._implements(name, hook))

    def one(self, hook: str, **records: Any) -> Any:
        """Ask the serving plugins in order and return the first answer that is not ``None``.

        Raises:
            PluginError: When no plugin serves the stage or none answers.
        """
        names = self.serving(hook)
        for name in names:
            answer = self._call(name, hook, records)
            if answer is not None:
                return answer
        chosen = self._config.stages[_STAGE_OF_HOOK[hook].kind]
        raise PluginError(
            f"no plugin answers {hook}: {', '.join(chosen) or 'none'} chosen",
            means="The chosen plugin does not serve this stage, or cannot be used here.",
            remedy="Run `invoke doctor` for the reason, or choose another in [stages].",
            code="plugin.none",
        )

    def maybe(self, hook: str, **records: Any) -> Any | None:
        """Return the first answer of the serving plugins, or ``None``."""
        for name in self.serving(hook):
            answer = self._call(name, hook, records)
            if answer is not None:
                return answer
        return None

    def each(self, hook: str, **records: Any) -> tuple[tuple[str, Any], ...]:
        """Ask every serving plugin; return ``(name, answer)`` of those that answered."""
        answers = ((name, self._call(name, hook, records)) for name in self.serving(hook))
        return tuple((name, answer) for name, answer in answers if answer is not None)

    def ask(self, name: str, hook: str, **records: Any) -> Any:
        """Ask one plugin by name."""
        return self._call(name, hook, records)

    def _implements(self, name: str, hook: str) -> bool:
        return hasattr(self._module(name), hook)

    def _module(self, name: str) -> Any | None:
        """Return the plugin, or ``None`` where it is not installed or could not be loaded."""
        if name not in self._points or self.take(name).problem:
            return None
        return self._manager.get_plugin(name)

    def _call(self, name: str, hook: str, records: Mapping[str, Any]) -> Any:
        plugin = self._module(name)
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        caller = self._manager.subset_hook_caller(hook, remove_plugins=others)
        try:
            answer = caller(
                project=self.project, settings=self._config.plugins.get(name, {}), **records
            )
            if caller.spec is not None and not caller.spec.opts["firstresult"]:
                answer = answer[0] if answer else None  # a collecting hook, asked of one plugin
            if answer is not None:
                answers.check(hook, answer)
        except (SluicewayError, KeyboardInterrupt):
            raise
        except BaseException as error:  # sys.exit(0) too, by which the command would end as done
            raise ActionFailed(
                f"plugin {name} failed in {hook}: {type(error).__name__}: {error}",
                means="This is a defect of the plugin; what it was asked for did not happen.",
                remedy=f"Report it to the makers of {self._distribution(name)}; "
                "--debug shows the trace.",
                code="plugin.defect",
            ) from error
        return answer

    def _distribution(self, name: str) -> str:
        return _owner(self._points[name]) if name in self._points else name


def load(config: Config, project: Project, *, strict: bool = True, kind: str = "") -> Plugins:
    """Import and register the chosen plugins, by name; others are when they are asked.

    Args:
        config: Which plugins are chosen and their settings.
        project: Handed to every hook later.
        strict: Raise when a chosen plugin cannot be loaded. Without it the problem is kept in
            :attr:`Plugins.found` (``invoke plugins`` and ``invoke doctor`` show it).
        kind: Of which stage the plugins are imported now, for who asks no others; empty: of all.

    Raises:
        PluginError: For doubled names, a failed import, a misspelt hook, a chosen plugin that is
            not installed, or settings for one that does not exist.
    """
    points = discover()
    plugins = Plugins(config, project, points, strict=strict)
    installed = [point.name for point in points]
    chosen = {name for names in config.stages.values() for name in names}
    now = set(config.stages[kind]) if kind else chosen
    for name in installed:
        if name in now:
            plugins.take(name)
    for where, names in (("[stages]", chosen), ("[plugins]", set(config.plugins))):
        _check_known(sorted(names), installed, where)
    return plugins


def _register(manager: pluggy.PluginManager, point: importlib.metadata.EntryPoint) -> _Taken:
    hooks: tuple[str, ...] = ()
    problem = ""
    try:
        module = point.load()
        hooks = _hooks(module)
        _check_spelling(hooks)
        manager.register(module, name=point.name)
    except pluggy.PluginValidationError as error:
        problem = str(error)
        manager.unregister(name=point.name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a stranger's import raises, it is named
        problem = f"{type(error).__name__}: {error}"
    return _Taken(hooks=hooks, problem=problem)


def _hooks(module: ModuleType) -> tuple[str, ...]:
    marker = f"{hookspecs.GROUP}_impl"
    return tuple(
        sorted(name for name, value in vars(module).items() if getattr(value, marker, None))
    )


def _check_spelling(hooks: Iterable[str]) -> None:
    known = [name for name in vars(hookspecs) if name.startswith("sluiceway_")]
    for hook in hooks:
        if hook not in known:
            guess = nearest(hook, known)
            raise PluginError(
                f"it implements {hook!r}, which is no hook"
                + (f"; did its author mean {guess!r}?" if guess else ""),
                code="plugin.hook",
            )


def _check_known(names: Iterable[str], installed: list[str], where: str) -> None:
    for name in names:
        if name not in installed:
            guess = nearest(name, installed)
            short = guess.partition("-")[2] if guess and where == "[stages]" else ""
            raise PluginError(
                f"{where} names the plugin {name!r}, which is not installed",
                means=f"Installed are: {', '.join(installed)}.",
                remedy=f"Did you mean {guess!r}?"
                + (f' Write "{short}": the stage is said before it.' if short else "")
                if guess
                else "Install the distribution that has it, then run `invoke plugins`.",
                code="plugin.unknown",
            )


def _owner(point: importlib.metadata.EntryPoint) -> str:
    return _named(point.dist)[0]


@lru_cache(_KEPT)
def _named(distribution: importlib.metadata.Distribution | None) -> tuple[str, str]:
    """Return name and version; asked for once, as each answer parses the whole METADATA file."""
    if distribution is None:
        return "an unnamed distribution", "unknown"
    return distribution.name, distribution.version
