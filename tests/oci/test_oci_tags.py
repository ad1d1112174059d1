"""Promotion's effect: a tag moves to a digest while another tag still names it, or not at all."""

from __future__ import annotations

import random
import threading
import time

import pytest

from sluiceway.errors import ActionFailed, NeedsPerson, UsageError
from sluiceway.oci import carry_image, promote_tag, restore_tag
from sluiceway.oci.client import RegistryClient
from sluiceway.oci.media_types import DOCKER_MANIFEST, IMAGE_MANIFEST
from sluiceway.testing.memory_registry import MemoryRegistry


class Meddled(RegistryClient):
    """A client beside which somebody else does something at a chosen moment."""

    after_put = staticmethod(lambda: None)
    before_resolve = staticmethod(lambda tag: None)
    deletes = True

    def put_manifest(self, reference, manifest):
        super().put_manifest(reference, manifest)
        act, self.after_put = self.after_put, lambda: None
        act()

    def resolve(self, tag):
        self.before_resolve(tag)
        return super().resolve(tag)

    def delete_tag(self, tag):
        return super().delete_tag(tag) if self.deletes else False


@pytest.fixture
def meddled(address):
    with Meddled(f"{address}/team/app") as client:
        yield client


@pytest.mark.parametrize("media_type", [IMAGE_MANIFEST, DOCKER_MANIFEST])
def test_a_promotion_keeps_the_digest(registry, make_image, media_type):
    image = make_image(registry, tag="dev", media_type=media_type)
    assert promote_tag(registry, "dev", image.digest, "staging") == image
    assert registry.resolve("staging") == image
    assert registry.resolve("dev") == image


def test_promoting_again_writes_nothing(registry, make_image, store):
    image = make_image(registry, tag="dev")
    for _ in range(3):
        promote_tag(registry, "dev", image.digest, "staging")
    assert len(store.repository("team/app").history("staging")) == 1


def test_a_source_that_names_something_else_promotes_nothing(registry, make_image):
    older, newer = make_image(registry, "older"), make_image(registry, "newer", tag="dev")
    before = make_image(registry, "before", tag="staging")
    with pytest.raises(ActionFailed) as caught:
        promote_tag(registry, "dev", older.digest, "staging")
    assert caught.value.code == "promotion.source-moved"
    assert newer.digest in caught.value.what
    assert "Nothing was promoted" in caught.value.means
    assert registry.resolve("staging") == before


def test_a_missing_source_promotes_nothing(registry, make_image):
    image = make_image(registry)
    with pytest.raises(ActionFailed) as caught:
        promote_tag(registry, "dev", image.digest, "staging")
    assert caught.value.code == "promotion.source-moved"
    assert registry.tags() == ()


def test_a_malformed_digest_or_tag_is_refused(registry):
    with pytest.raises(UsageError):
        promote_tag(registry, "dev", "sha256:123", "staging")
    with pytest.raises(UsageError):
        promote_tag(registry, "dev", "sha256:" + "0" * 64, "../staging")


def test_a_source_that_moves_during_the_write_is_taken_back(meddled, registry, make_image):
    image, other = make_image(registry, "one", tag="dev"), make_image(registry, "other")
    before = make_image(registry, "before", tag="staging")
    meddled.after_put = lambda: registry.put_manifest("dev", other)
    with pytest.raises(ActionFailed) as caught:
        promote_tag(meddled, "dev", image.digest, "staging")
    assert caught.value.code == "promotion.source-moved"
    assert "taken back" in caught.value.means
    assert registry.resolve("staging") == before


def test_what_had_no_target_before_has_none_again(meddled, registry, make_image):
    image, other = make_image(registry, "one", tag="dev"), make_image(registry, "other")
    meddled.after_put = lambda: registry.put_manifest("dev", other)
    with pytest.raises(ActionFailed) as caught:
        promote_tag(meddled, "dev", image.digest, "staging")
    assert caught.value.code == "promotion.source-moved"
    assert registry.resolve("staging") is None


def test_what_cannot_be_taken_back_needs_a_person(meddled, registry, make_image):
    image, other = make_image(registry, "one", tag="dev"), make_image(registry, "other")
    meddled.after_put = lambda: registry.put_manifest("dev", other)
    meddled.deletes = False
    with pytest.raises(NeedsPerson) as caught:
        promote_tag(meddled, "dev", image.digest, "staging")
    assert caught.value.code == "promotion.undo-failed"
    assert image.digest in caught.value.what
    assert "nothing before" in caught.value.what


def test_another_writers_target_is_left_alone(meddled, registry, make_image):
    image, other = make_image(registry, "one", tag="dev"), make_image(registry, "other")

    def both_move():
        registry.put_manifest("dev", other)
        registry.put_manifest("staging", other)

    meddled.after_put = both_move
    with pytest.raises(ActionFailed):
        promote_tag(meddled, "dev", image.digest, "staging")
    assert registry.resolve("staging") == other


def test_a_registry_that_fails_after_the_write_is_undone(meddled, registry, make_image):
    image = make_image(registry, "one", tag="dev")
    before = make_image(registry, "before", tag="staging")
    looks = []

    def fail_on_second_look(tag):
        if tag == "dev":
            looks.append(tag)
            if len(looks) == 2:
                raise ActionFailed("gone", code="registry.unreachable")

    meddled.before_resolve = fail_on_second_look
    with pytest.raises(ActionFailed) as caught:
        promote_tag(meddled, "dev", image.digest, "staging")
    assert caught.value.code == "registry.unreachable"
    assert registry.resolve("staging") == before


class Unhurried(MemoryRegistry):
    """Every answer takes a moment, so that others get between two of them.

    It notes when it began to read the source for the last time.
    """

    looked = 0.0

    def resolve(self, tag):
        if tag == "dev":
            self.looked = time.monotonic()
        time.sleep(0.0005)
        return super().resolve(tag)

    def put_manifest(self, reference, manifest):
        time.sleep(0.0005)
        super().put_manifest(reference, manifest)


def test_a_source_that_moves_is_caught_in_a_thousand_rounds(make_image):
    """The source moves once, at any moment from the verification on. It is promoted only when it
    moved after the last look; whenever it moved before that, the target is as it was."""
    registry = Unhurried()
    image, other = make_image(registry, "one"), make_image(registry, "other")
    before = make_image(registry, "before")
    dice = random.Random(11)
    began, ended, rounds = threading.Semaphore(0), threading.Semaphore(0), 1000
    moved = 0.0

    def move():
        nonlocal moved
        for _ in range(rounds):
            began.acquire()
            time.sleep(dice.uniform(0, 0.003))
            MemoryRegistry.put_manifest(registry, "dev", other)
            moved = time.monotonic()
            ended.release()

    mover = threading.Thread(target=move)
    mover.start()
    outcomes = {"promoted": 0, "Nothing was promoted.": 0, "The promotion was taken back.": 0}
    for _ in range(rounds):
        registry.put_manifest("dev", image)
        registry.put_manifest("staging", before)
        assert registry.resolve("dev") == image  # what was verified
        began.release()
        try:
            promote_tag(registry, "dev", image.digest, "staging", previous=before.digest)
        except ActionFailed as error:
            ended.acquire()
            assert error.code == "promotion.source-moved"  # noqa: PT017 - or it is promoted
            assert registry.resolve("staging") == before
            outcomes[error.means.removeprefix("It moved after it was checked. ")] += 1
        else:
            ended.acquire()
            assert moved > registry.looked
            assert registry.resolve("staging") == image
            outcomes["promoted"] += 1
    mover.join()
    assert all(outcomes.values()), outcomes
    assert sum(outcomes.values()) == rounds


def test_promotions_beside_a_restless_source(registry, store, make_image):
    """Whatever the moment: a promotion happens whole, or the target is as before."""
    image, other = make_image(registry, "one", tag="dev"), make_image(registry, "other")
    before = make_image(registry, "before")
    repository = store.repository("team/app")
    done = threading.Event()

    def move():
        dice = random.Random(5)
        while not done.is_set():
            repository.put_manifest("dev", dice.choice((image, image, other)))
            time.sleep(dice.uniform(0, 0.004))

    mover = threading.Thread(target=move)
    mover.start()
    outcomes = {"promoted": 0, "Nothing was promoted.": 0, "The promotion was taken back.": 0}
    try:
        for _ in range(100):
            repository.put_manifest("staging", before)
            try:
                promote_tag(registry, "dev", image.digest, "staging")
            except ActionFailed as error:
                assert error.code == "promotion.source-moved"  # noqa: PT017 - or it is promoted
                assert repository.tagged("staging") == before.digest
                outcomes[error.means.removeprefix("It moved after it was checked. ")] += 1
            else:
                assert repository.tagged("staging") == image.digest
                outcomes["promoted"] += 1
    finally:
        done.set()
        mover.join()
    assert all(outcomes.values()), outcomes
    assert sum(outcomes.values()) == 100


def test_a_re_tag_is_three_requests_and_the_second_look(registry, make_image, make_proxy, address):
    image, before = make_image(registry, tag="dev"), make_image(registry, "old", tag="staging")
    proxy = make_proxy(address)
    root = "/v2/team/app/manifests"
    with RegistryClient(f"{proxy.address}/team/app") as client:
        promote_tag(client, "dev", image.digest, "staging", previous=before.digest)
        assert proxy.asked == [
            f"GET {root}/dev",
            f"PUT {root}/staging",
            f"GET {root}/staging",  # read back
            f"GET {root}/dev",  # did it move meanwhile?
        ]
        proxy.asked.clear()
        promote_tag(client, "dev", image.digest, "staging", previous=image.digest)
        assert proxy.asked == [f"GET {root}/staging", f"GET {root}/dev"]
        proxy.asked.clear()
        restore_tag(client, "staging", before.digest)
        assert len(proxy.asked) == 4


def test_a_promotion_to_another_repository_is_as_many_requests(
    registry, make_image, make_proxy, address
):
    image = make_image(registry, tag="dev")
    proxy = make_proxy(address)
    with (
        RegistryClient(f"{proxy.address}/team/app") as source,
        RegistryClient(f"{proxy.address}/prod/app") as target,
    ):
        carry_image(source, target, image.digest)
        proxy.asked.clear()
        promote_tag(source, "dev", image.digest, "production", target=target, previous="")
    assert [line.split("/")[2] for line in proxy.asked] == ["team", "prod", "prod", "team"]


def test_the_target_goes_back_to_what_the_run_saw(meddled, registry, make_image):
    image, other = make_image(registry, "one", tag="dev"), make_image(registry, "other")
    before = make_image(registry, "before", tag="staging")
    meddled.after_put = lambda: registry.put_manifest("dev", other)
    with pytest.raises(ActionFailed) as caught:
        promote_tag(meddled, "dev", image.digest, "staging", previous=before.digest)
    assert caught.value.code == "promotion.source-moved"
    assert registry.resolve("staging") == before


def test_a_tag_is_restored_whatever_it_names(registry, make_image, store):
    one, other = make_image(registry, "one"), make_image(registry, "other", tag="production")
    assert restore_tag(registry, "production", one.digest) == one
    assert restore_tag(registry, "production", one.digest) == one
    assert registry.resolve("production") == one
    assert [move.digest for move in store.repository("team/app").history("production")] == [
        other.digest,
        one.digest,
    ]
    assert restore_tag(registry, "production", None) is None
    assert registry.resolve("production") is None


def test_restoring_what_is_not_there_changes_nothing(registry, make_image, meddled):
    image = make_image(registry, tag="production")
    with pytest.raises(ActionFailed) as caught:
        restore_tag(registry, "production", "sha256:" + "0" * 64)
    assert caught.value.code == "registry.manifest-missing"
    meddled.deletes = False
    with pytest.raises(ActionFailed) as caught:
        restore_tag(meddled, "production", None)
    assert caught.value.code == "registry.no-delete"
    assert registry.resolve("production") == image
