"""What cosign keeps beside an image: the blob that it writes, and which errors are about it."""

from __future__ import annotations

import pytest

from sluiceway.errors import ActionFailed
from sluiceway.oci import sha256
from sluiceway.oci.beside import config_for, unusable


def test_the_config_counts_one_history_entry_and_one_diff_id_for_each_signature():
    never = '"created":"0001-01-01T00:00:00Z"'
    one, two = sha256(b"1"), sha256(b"2")
    assert config_for([{"digest": one}, {"digest": two}]).decode() == (
        f'{{"architecture":"",{never},"history":[{{{never}}},{{{never}}}],"os":"",'
        f'"rootfs":{{"type":"layers","diff_ids":["{one}","{two}"]}},"config":{{}}}}'
    )


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("registry.corrupt", True),
        ("registry.too-large", True),
        ("registry.unreachable", False),
        ("", False),
    ],
)
def test_only_content_that_is_wrong_itself_is_left_behind(code, answer):
    assert unusable(ActionFailed("it failed", code=code)) is answer
