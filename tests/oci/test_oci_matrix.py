"""Every fault in every action, in front of real registries.

After each fault a second, clean client looks: every tag names the old or the new image, and all of
it is there. Then the same is done without the fault, and succeeds.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.registry_kit import PROGRAMS, real_registry

from sluiceway.errors import SluicewayError
from sluiceway.model import Manifest
from sluiceway.oci import (
    Layout,
    blobs_of,
    carry_image,
    children_of,
    document_of,
    fallback_tag,
    manifest_from,
    promote_tag,
    push_layout,
)
from sluiceway.oci.client import RegistryClient
from sluiceway.oci.media_types import IMAGE_CONFIG, IMAGE_LAYER, IMAGE_MANIFEST

from .conftest import QUICK, Asked, Passing, Proxy, image_of

_serial = itertools.count()
_SILENCE = 0.4


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.real_tool(name)) for name in PROGRAMS],
)
def real_address(request, tmp_path_factory):
    with real_registry(request.param, tmp_path_factory.mktemp("registry")) as address:
        yield address


# --- faults: each spoils the request (or the answer) with the number that it is given ---


def _drop(asked: Asked) -> None:
    asked.drop = True


def _deaf(asked: Asked) -> None:
    asked.deaf = True


def _half_sent(asked: Asked) -> None:
    asked.cut = len(asked.body) // 2


def _late(asked: Asked) -> None:
    asked.wait = 2 * _SILENCE


def _replying(status: int, **headers: str) -> Callable[[Asked], None]:
    def reply(asked: Asked) -> None:
        asked.reply = (status, {name.replace("_", "-"): value for name, value in headers.items()})

    return reply


def _byte_sent(asked: Asked) -> None:
    if asked.body:
        # A line's end becomes a blank: JSON as before, and another digest.
        asked.body = asked.body[:-1] + bytes([asked.body[-1] ^ 0x2A])


def _truncated(passing: Passing) -> None:
    passing.cut = len(passing.body) // 2


def _byte_received(passing: Passing) -> None:
    if passing.body:
        middle = len(passing.body) // 2
        changed = bytes([passing.body[middle] ^ 1])
        passing.body = passing.body[:middle] + changed + passing.body[middle + 1 :]


_ASKING: dict[str, Callable[[Asked], None]] = {
    "dropped before": _drop,
    "dropped after": _deaf,
    "half sent": _half_sent,
    "too late": _late,
    "byte changed there": _byte_sent,
    "429": _replying(429),
    "429 for a moment": _replying(429, Retry_After="0"),
    "500": _replying(500),
}
_ANSWERING: dict[str, Callable[[Passing], None]] = {
    "truncated": _truncated,
    "byte changed here": _byte_received,
}
_ALWAYS = {"dropped for good": _drop, "500 for good": _replying(500)}
_FAULTS = (*_ASKING, *_ANSWERING, *_ALWAYS, "401 expired")


def spoil(proxy: Proxy, fault: str, number: int) -> None:
    """Let *fault* happen to the request of this *number*, or from there on."""

    def asking(asked: Asked) -> None:
        if fault == "401 expired" and asked.number == number:
            realm = f'Bearer realm="http://{proxy.address}/token",service="test"'
            asked.reply = (401, {"WWW-Authenticate": realm})
        elif fault in _ALWAYS and asked.number >= number:
            _ALWAYS[fault](asked)
        elif fault in _ASKING and asked.number == number:
            _ASKING[fault](asked)

    def answering(passing: Passing) -> None:
        if fault in _ANSWERING and passing.number == number:
            _ANSWERING[fault](passing)

    proxy.asking, proxy.fault = asking, answering


def heal(proxy: Proxy) -> None:
    """Take the fault away, and let what is still on its way arrive."""
    proxy.asking, proxy.fault = (lambda asked: None), (lambda passing: None)
    deadline = time.monotonic() + 10
    while proxy.busy and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not proxy.busy


# --- actions: each can be done again and again, every time with something new ---


@dataclass
class Place:
    """One repository (and for carrying a second one), asked directly and through the proxy."""

    address: str
    proxy: Proxy
    path: str
    folder: Path
    seen: set[str] = field(default_factory=set)

    made: dict[str, Manifest] = field(default_factory=dict)

    def image(self, content: str, tag: str, path: str = "") -> Manifest:
        """Let *tag* name the image of this content, which is uploaded once."""
        with self.direct(path) as client:
            key = f"{client.repository} {content}"
            if key not in self.made:
                self.made[key] = image_of(client, content)
            client.put_manifest(tag, self.made[key])
            return self.made[key]

    def note(self, subject: Manifest) -> None:
        """Let something refer to *subject*, once."""
        if f"note {subject.digest}" not in self.made:
            with self.direct() as client:
                note = image_of(client, "note", subject=subject)
                client.put_referrer(subject, note)
                self.made[f"note {subject.digest}"] = note

    def direct(self, path: str = "") -> RegistryClient:
        return RegistryClient(f"{self.address}/{path or self.path}", retry=QUICK)

    def spoiled(self, path: str = "", seconds: float = 5.0) -> RegistryClient:
        name = f"{self.proxy.address}/{path or self.path}"
        return RegistryClient(name, retry=QUICK, timeout_seconds=seconds)


@dataclass
class Act:
    """What to do, and what may then be true of each tag in each repository."""

    do: Callable[[float], object]
    path: str
    tag: str
    old: str
    new: str


def pushing(place: Place) -> Act:
    old = place.image("old", "dev")
    layout = layout_of(place.folder, f"pushed {next(_serial)}")

    def push(seconds: float) -> None:
        with place.spoiled(seconds=seconds) as client:
            push_layout(client, layout.folder, tag="dev")

    return Act(push, place.path, "dev", old.digest, layout.image().digest)


def retagging(place: Place) -> Act:
    new, old = place.image("new", "dev"), place.image("old", "staging")

    def retag(seconds: float) -> None:
        with place.spoiled(seconds=seconds) as client:
            promote_tag(client, "dev", new.digest, "staging", previous=old.digest)

    return Act(retag, place.path, "staging", old.digest, new.digest)


def carrying(place: Place) -> Act:
    production = f"{place.path}-{next(_serial)}"
    new, old = place.image("new", "dev"), place.image("old", "production", production)
    place.note(new)

    def carry(seconds: float) -> None:
        with (
            place.spoiled(seconds=seconds) as source,
            place.spoiled(production, seconds) as target,
        ):
            carry_image(source, target, new.digest)
            promote_tag(source, "dev", new.digest, "production", target=target, previous=old.digest)

    return Act(carry, production, "production", old.digest, new.digest)


def referring(place: Place) -> Act:
    image = place.image("image", "dev")
    place.note(image)
    with place.direct() as direct:
        note = image_of(direct, f"note {next(_serial)}", subject=image)

    def refer(seconds: float) -> None:
        with place.spoiled(seconds=seconds) as client:
            client.put_referrer(image, note)

    return Act(refer, place.path, "dev", image.digest, image.digest)


def reading(place: Place) -> Act:
    image = place.image("image", "dev")
    layer = blobs_of(document_of(image))[-1]
    place.note(image)

    def read(seconds: float) -> None:
        with place.spoiled(seconds=seconds) as client:
            assert client.resolve("dev") == image
            assert client.manifest(image.digest) == image
            assert len(client.blob(layer.digest, limit=100_000)) == layer.size
            assert len(client.referrers(image.digest)) == 1

    return Act(read, place.path, "dev", image.digest, image.digest)


_ACTIONS = {
    "push": pushing,
    "re-tag": retagging,
    "carry": carrying,
    "refer": referring,
    "read": reading,
}


def layout_of(folder: Path, content: str) -> Layout:
    layout = Layout.create(folder / content.replace(" ", "-"))
    config = layout.write_blob(json.dumps({"architecture": "amd64", "os": content}).encode())
    layer = layout.write_blob(content.encode() * 10_000)
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": {"mediaType": IMAGE_CONFIG, "digest": config.digest, "size": config.size},
        "layers": [{"mediaType": IMAGE_LAYER, "digest": layer.digest, "size": layer.size}],
    }
    body = json.dumps(document).encode() + b"\n"
    layout.write_manifest(manifest_from(body, IMAGE_MANIFEST))
    return layout


# --- the one thing that must always hold ---


def check(place: Place, act: Act, *allowed: str) -> None:
    """Look at all tags of the repository with a client of its own, past the proxy."""
    with place.direct(act.path) as direct:
        named = direct.resolve(act.tag)
        assert named is not None
        assert named.digest in allowed
        for tag in direct.tags():
            manifest = direct.resolve(tag)
            assert manifest is not None, tag
            assert tag in {"dev", "staging", "production"} or tag.startswith("sha256-"), tag
            if tag.startswith("sha256-"):
                assert fallback_tag(f"sha256:{tag[7:71]}") == tag
            check_whole(direct, manifest, place.seen)


def check_whole(direct: RegistryClient, manifest: Manifest, seen: set[str]) -> None:
    """Read everything that *manifest* names, once: content does not change under its digest."""
    document = document_of(manifest)
    for child in children_of(document):
        if child.digest not in seen:
            found = direct.manifest(child.digest)
            assert found is not None, f"{manifest.digest} lists {child.digest}, which is not there"
            check_whole(direct, found, seen)
    for blob in blobs_of(document):
        if blob.digest not in seen:
            assert len(direct.blob(blob.digest, limit=1_000_000)) == blob.size
    seen.update({manifest.digest, *(blob.digest for blob in blobs_of(document))})


@pytest.mark.parametrize("fault", _FAULTS)
@pytest.mark.parametrize("action", _ACTIONS)
def test_a_fault_leaves_the_old_or_the_new(real_address, make_proxy, tmp_path, action, fault):
    proxy = make_proxy(real_address)
    tokens = itertools.count()
    proxy.pages["/token"] = lambda *_: (200, json.dumps({"token": f"t{next(tokens)}"}).encode())
    place = Place(real_address, proxy, f"matrix/n{next(_serial)}", tmp_path)
    clean = _ACTIONS[action](place)
    clean.do(5.0)
    check(place, clean, clean.new)
    total = len(proxy.asked)
    seconds = _SILENCE if fault == "too late" else 5.0
    for number in places(fault, total):
        act = _ACTIONS[action](place)
        spoil(proxy, fault, len(proxy.asked) + number)
        failed = caught(act, seconds)
        heal(proxy)
        if failed is None:
            check(place, act, act.new)
        else:
            assert failed.code.startswith(("registry.", "manifest.", "promotion."))
            assert failed.what
            assert failed.means or failed.remedy
            check(place, act, act.old, act.new)
            act.do(5.0)
            check(place, act, act.new)


def places(fault: str, total: int) -> list[int]:
    """Which of *total* requests are hit: all of a few, else the last and one that differs by fault."""
    if total <= 4:
        return list(range(total))
    return sorted({_FAULTS.index(fault) * total // len(_FAULTS), total - 1})


def caught(act: Act, seconds: float) -> SluicewayError | None:
    try:
        act.do(seconds)
    except SluicewayError as error:
        return error
    return None
