"""Reading trivy's database file, of every size and not a byte further than it goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluiceway_scan_trivy.bolt import bucket_sizes

from .scan_kit import write_bolt


@pytest.mark.parametrize("split", [0, 7])
@pytest.mark.parametrize("entries", [0, 1, 6, 500])
def test_buckets_are_named_and_counted(tmp_path: Path, entries: int, split: int) -> None:
    tree = {
        "pip::x": {"a": {"CVE-1": b"{}"}},
        "vulnerability": {f"CVE-{number}": b"{}" * number for number in range(entries)},
        "not a bucket": b"x",
        **{f"debian {number}": {} for number in range(9)},
    }
    path = tmp_path / "trivy.db"
    write_bolt(path, tree, split=split)
    names, number = bucket_sizes(path, "vulnerability")
    assert number == entries
    assert names == tuple(sorted(set(tree) - {"not a bucket"}))
    assert bucket_sizes(path, "absent")[1] == 0


def test_a_file_that_is_cut_off_anywhere_is_refused_or_read_right(tmp_path: Path) -> None:
    path = tmp_path / "trivy.db"
    tree = {"vulnerability": {f"CVE-{number}": b"{}" for number in range(300)}}
    write_bolt(path, tree, split=40)
    whole, right = path.read_bytes(), bucket_sizes(path, "vulnerability")
    refused = 0
    for length in range(0, len(whole), 1024):
        path.write_bytes(whole[:length])
        try:
            assert bucket_sizes(path, "vulnerability") == right
        except ValueError:
            refused += 1
    assert refused > 10
