"""A stand-in for ``node:20-alpine``, made of the machine's own Node: no test pulls an image."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

__all__ = ["NAME", "write_base"]

NAME = "node:20-alpine"

# Debian's busybox has no adduser: these do what Alpine's do with the options that are used.
_ADDGROUP = '#!/bin/sh\n[ "$1" = -g ] || exit 1\necho "$3:x:$2:" >> /etc/group\n'
_ADDUSER = """#!/bin/sh
while getopts DHu:G: option; do
  case $option in u) id=$OPTARG ;; G) group=$OPTARG ;; D|H) ;; *) exit 1 ;; esac
done
shift $((OPTIND - 1))
number=$(grep "^$group:" /etc/group | cut -d: -f3)
echo "$1:x:$id:$number::/home/$1:/bin/sh" >> /etc/passwd
"""


def write_base(folder: Path) -> Path:
    """Write the image's files as a tar in *folder* and return its path."""
    root = folder / "root"
    for name in ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "usr/bin", "usr/local/bin"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc" / "group").write_text("root:x:0:\n")
    _shell(root)
    _node(root)
    archive = folder / "base.tar"
    with tarfile.open(archive, "w") as sink:
        sink.add(root, arcname=".", filter=_owned_by_root)
    shutil.rmtree(root)
    return archive


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _shell(root: Path) -> None:
    shutil.copy2(_path("busybox"), root / "bin" / "busybox")
    for name in _said("busybox", "--list").split():
        if name != "busybox":
            (root / "bin" / name).symlink_to("busybox")
    (root / "usr" / "bin" / "env").symlink_to("/bin/env")
    for name, text in (("addgroup", _ADDGROUP), ("adduser", _ADDUSER)):
        path = root / "bin" / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)


def _node(root: Path) -> None:
    node = Path(_path("node")).resolve()
    shutil.copy2(node, root / "usr" / "local" / "bin" / "node")
    for library in set(re.findall(r"(/\S+) \(0x", _said("ldd", str(node)))):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library, target)
    modules = root / "usr" / "local" / "lib" / "node_modules"
    modules.mkdir(parents=True)
    shutil.copytree(Path(_said("npm", "root", "--global").strip()) / "npm", modules / "npm")
    script = modules / "npm" / "bin" / "npm-cli.js"
    script.chmod(0o755)
    (root / "usr" / "local" / "bin" / "npm").symlink_to("../lib/node_modules/npm/bin/npm-cli.js")


def _path(program: str) -> str:
    found = shutil.which(program)
    assert found is not None, program
    return found


def _said(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
