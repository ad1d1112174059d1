"""What Invoke rarely needs waits until it is needed, and is there then."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

IMPORTED = """
import sys
from sluiceway.cli.lean import what_invoke_needs

with what_invoke_needs():
    import invoke
"""


def run(script: str, *, home="/", cwd=None) -> str:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=cwd,
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()


def test_a_command_imports_neither_mocks_nor_yaml_nor_a_reader_of_e_mail():
    listing = (
        "import sys; sys.argv = ['sluiceway', '--list']\n"
        "from sluiceway.cli.program import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "rare = {'asyncio', 'ssl', 'unittest.mock', 'invoke.vendor.yaml', 'yaml', 'email', 'csv'}\n"
        "print(sorted(rare & set(sys.modules)))"
    )
    assert run(listing).splitlines()[-1] == "[]"


@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_configuration_in_yaml_is_read(tmp_path, suffix):
    (tmp_path / f".invoke.{suffix}").write_text("run: {shell: /bin/dash}\nours: [1, 2]\n")
    script = f"{IMPORTED}\nconfig = invoke.Config()\nprint(config.run.shell, config.ours)"
    assert run(script, home=tmp_path) == "/bin/dash [1, 2]"


def test_yaml_that_is_broken_is_the_reader_s_own_error(tmp_path):
    (tmp_path / ".invoke.yaml").write_text("run: [")
    script = (
        f"{IMPORTED}\ntry:\n    invoke.Config()\n"
        "except invoke.vendor.yaml.YAMLError as error:\n    print(type(error).__name__)"
    )
    assert run(f"import invoke\n{script}", home=tmp_path) == run(script, home=tmp_path)
    assert run(script, home=tmp_path) == "ParserError"


def test_a_mocked_context_is_made_of_the_standard_library_s_mocks():
    script = (
        f"{IMPORTED}\nshell = invoke.MockContext(run=invoke.Result('done'))\n"
        "print(shell.run('x').stdout, type(shell.run).__module__)\n"
        "shell.run.assert_called_once_with('x')"
    )
    assert run(script) == "done unittest.mock"


def test_whoever_imports_them_afterwards_gets_them_as_they_are():
    script = (
        f"{IMPORTED}\nimport unittest.mock, invoke.vendor.yaml\n"
        "print(unittest.mock.call(1) == unittest.mock.call(1), isinstance(unittest.mock.Mock, type),\n"
        "      invoke.vendor.yaml.safe_load('a: 1'))"
    )
    assert run(script) == "True True {'a': 1}"


def test_invoke_says_its_version_when_it_is_asked():
    script = (
        f"{IMPORTED}\nprint('email' in sys.modules, hasattr(invoke, 'no_such_name'))\n"
        "from importlib.metadata import version\n"
        "print(invoke.__version__ == version('invoke') > '2')\n"
        "from invoke import __version__\nprint(__version__ == invoke.__version__)\n"
        "try:\n    invoke.nothing\nexcept AttributeError as error:\n    print(error)"
    )
    assert run(script).splitlines() == [
        "False False",
        "True",
        "True",
        "module 'invoke' has no attribute 'nothing'",
    ]


def test_what_is_installed_is_described_as_ever():
    script = (
        "from importlib import metadata\n"
        "told = metadata.metadata('invoke')\n"
        "print(told['Name'], len(metadata.files('invoke')) > 9, type(told).__module__)"
    )
    plain = run(script)
    assert run(f"{IMPORTED}\n{script}") == plain
    assert plain.startswith("invoke True ")


def test_what_was_imported_before_is_left_alone():
    script = (
        "import unittest.mock\nbefore = unittest.mock\n"
        f"{IMPORTED}\nprint(sys.modules['unittest.mock'] is before, invoke.context.Mock is before.Mock)"
    )
    assert run(script) == "True True"


def test_a_check_of_migrations_imports_what_it_needs_and_a_second_one_less(tmp_path, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    (tmp_path / "1.sql").write_text("CREATE TABLE a (id int);")
    script = (
        "import sys; sys.argv = ['sluiceway', 'migrations.check', '--path=1.sql', '--json']\n"
        "from sluiceway.cli.program import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted(each for each in sys.modules if each in {'sluiceway.migrations.reports',\n"
        "  'sluiceway.migrations.state', 'sluiceway_sql_libpg_query', 'sluiceway_policy_embedded',\n"
        "  'sluiceway_scan_grype', 'sluiceway_deploy_docker', 'sluiceway_identity_os_user'}))"
    )
    needed = ["sluiceway_policy_embedded", "sluiceway_sql_libpg_query"]
    first, second = (run(script, home=tmp_path, cwd=tmp_path) for _ in range(2))
    assert first.splitlines()[-1] == str(["sluiceway.migrations.state", *needed])
    assert second.splitlines()[-1] == str(needed)
