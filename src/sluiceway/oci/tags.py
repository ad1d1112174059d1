"""Moving a tag to a digest: promotion's one effect in a registry, guarded and undone."""

from __future__ import annotations

from sluiceway.errors import ActionFailed, NeedsPerson, SluicewayError
from sluiceway.model import Manifest, Registry, check_digest
from sluiceway.oci.reference import check_tag

__all__ = ["promote_tag", "restore_tag"]


def promote_tag(
    registry: Registry, source_tag: str, expected_digest: str, target_tag: str
) -> Manifest:
    """Make *target_tag* name *expected_digest*, as long as *source_tag* names it.

    The same bytes are stored under the stored media type. *source_tag* is read immediately before
    the write and again right after it, because the protocol has no compare-and-set. Doing it when
    it is already so writes nothing.

    Returns:
        The manifest that *target_tag* now names.

    Raises:
        ActionFailed: ``promotion.source-moved``: nothing was written, or the target was put back.
            Any other code: the registry failed, and the target is as it was.
        NeedsPerson: ``promotion.undo-failed``: the target could not be put back.
    """
    check_digest(expected_digest)
    check_tag(target_tag)
    previous = registry.resolve(target_tag)
    current = registry.resolve(source_tag)
    if current is None or current.digest != expected_digest:
        raise _moved(registry, source_tag, expected_digest, current, undone=False)
    if previous is not None and _same(previous, current):
        _confirm(registry, source_tag, expected_digest, undone=False)
        return current
    try:
        registry.put_manifest(target_tag, current)
        _confirm(registry, source_tag, expected_digest, undone=True)
    except SluicewayError as error:
        _undo(registry, target_tag, current, previous, error)
        raise
    return current


def restore_tag(registry: Registry, tag: str, digest: str | None) -> Manifest | None:
    """Make *tag* name *digest*, whatever it names now; with ``None``, remove it.

    Raises:
        ActionFailed: ``registry.manifest-missing`` or ``registry.no-delete``.
    """
    if digest is None:
        if not registry.delete_tag(tag):
            raise ActionFailed(
                f"{registry.repository}:{tag} cannot be removed: the registry does not delete tags",
                means="The tag still names what it named.",
                remedy="Delete it in the registry's own way, or point it at another digest.",
                code="registry.no-delete",
            )
        return None
    manifest = registry.manifest(digest)
    if manifest is None:
        raise ActionFailed(
            f"{registry.repository} does not hold {digest}",
            means=f"The tag {tag} was left as it is.",
            remedy="Push that image again, or choose another digest from `invoke history`.",
            code="registry.manifest-missing",
        )
    now = registry.resolve(tag)
    if now is None or not _same(now, manifest):
        registry.put_manifest(tag, manifest)
    return manifest


def _confirm(registry: Registry, tag: str, digest: str, *, undone: bool) -> None:
    now = registry.resolve(tag)
    if now is None or now.digest != digest:
        raise _moved(registry, tag, digest, now, undone=undone)


def _undo(
    registry: Registry,
    tag: str,
    written: Manifest,
    previous: Manifest | None,
    reason: SluicewayError,
) -> None:
    try:
        now = registry.resolve(tag)
        if now is None or not _same(now, written):
            return  # never arrived, or another writer's: not ours to take back
        if previous is not None:
            registry.put_manifest(tag, previous)
        else:
            restore_tag(registry, tag, None)
    except SluicewayError as error:
        was = previous.digest if previous is not None else "nothing"
        raise NeedsPerson(
            f"{registry.repository}:{tag} may still name {written.digest}; it named {was} before",
            means=f"The promotion stopped ({reason.what}), and undoing it failed ({error.what}).",
            remedy=f"Make {tag} name {was} again, then promote anew.",
            code="promotion.undo-failed",
        ) from error


def _same(one: Manifest, other: Manifest) -> bool:
    return (one.digest, one.media_type) == (other.digest, other.media_type)


def _moved(
    registry: Registry, tag: str, expected: str, now: Manifest | None, *, undone: bool
) -> ActionFailed:
    found = now.digest if now is not None else "nothing"
    return ActionFailed(
        f"{registry.repository}:{tag} names {found}, not {expected}",
        means="It moved after it was checked. "
        + ("The promotion was taken back." if undone else "Nothing was promoted."),
        remedy="Run the promotion again: it will check what the tag names now.",
        code="promotion.source-moved",
    )
