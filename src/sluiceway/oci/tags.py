"""Moving a tag to a digest: promotion's one effect in a registry, guarded and undone."""

from __future__ import annotations

from sluiceway.errors import ActionFailed, NeedsPerson, SluicewayError
from sluiceway.model import Manifest, Registry, check_digest
from sluiceway.oci.reference import check_tag

__all__ = ["promote_tag", "restore_tag"]


def promote_tag(
    source: Registry,
    source_tag: str,
    expected_digest: str,
    target_tag: str,
    *,
    target: Registry | None = None,
    previous: str | None = None,
) -> Manifest:
    """Make *target_tag* name *expected_digest*, as long as *source_tag* names it.

    The same bytes are stored under the stored media type. *source_tag* is read immediately before
    the write and again right after it, because the protocol has no compare-and-set. Doing it when
    it is already so writes nothing. Four requests: source, write, read back, source again; one
    more when it is not said what the target named before.

    Args:
        source: Where *source_tag* is.
        source_tag: What has to name the digest throughout.
        expected_digest: What was verified.
        target_tag: What shall name it.
        target: Where *target_tag* is, when that is another repository. It must hold the image
            already (:func:`sluiceway.oci.carry_image`).
        previous: What the target named when the run began, ``""`` for nothing: that is what it
            goes back to. With ``None`` it is read.

    Returns:
        The manifest that *target_tag* now names.

    Raises:
        ActionFailed: ``promotion.source-moved``: nothing was written, or the target was put back.
            Any other code: the registry failed, and the target is as it was.
        NeedsPerson: ``promotion.undo-failed``: the target could not be put back.
    """
    check_digest(expected_digest)
    check_tag(target_tag)
    target = source if target is None else target
    held: Manifest | None = None
    if previous in {None, expected_digest}:
        held = target.resolve(target_tag)
        previous = held.digest if held is not None else ""
    current = source.resolve(source_tag)
    if current is None or current.digest != expected_digest:
        raise _moved(source, source_tag, expected_digest, current, undone=False)
    if held is not None and _same(held, current):
        return current
    try:
        target.put_manifest(target_tag, current)
        now = source.resolve(source_tag)
        if now is None or now.digest != expected_digest:
            raise _moved(source, source_tag, expected_digest, now, undone=True)
    except SluicewayError as error:
        _undo(target, target_tag, current, previous or "", error)
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


def _undo(
    registry: Registry, tag: str, written: Manifest, previous: str, reason: SluicewayError
) -> None:
    try:
        now = registry.resolve(tag)
        ours = now is not None and (_same(now, written) or reason.code == "registry.altered")
        if not ours:
            return  # never arrived, or another writer's: not ours to take back
        restore_tag(registry, tag, previous or None)
    except SluicewayError as error:
        was = previous or "nothing"
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
