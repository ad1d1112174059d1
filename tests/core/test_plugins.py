"""The loader against real distributions on the import path, made for each test."""

import sys
from contextlib import closing
from pathlib import Path

import pytest

from sluiceway import answers, hookspecs, plugins
from sluiceway.config import load
from sluiceway.errors import ActionFailed, PluginError
from sluiceway.migrations.records import Dialect
from sluiceway.workbench import Workbench

GOOD = """
from sluiceway.hookspecs import hookimpl
from sluiceway.model import Check, CheckStatus

@hookimpl
def sluiceway_flags(settings):
    return {"SEEN": settings.get("word", "nothing")}

@hookimpl
def sluiceway_doctor(project):
    return [Check(name="shop", status=CheckStatus.OK, detail=project.service)]
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that puts a distribution with one plugin on the import path."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def put(distribution: str, name: str, module: str, source: str) -> Path:
        info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[sluiceway]\n{name} = {module}\n")
        path = site / f"{module}.py"
        if source:
            path.write_text(source)
        monkeypatch.delitem(sys.modules, module, raising=False)
        return path

    return put


def loaded(tmp_path, text="", *, strict=True, kind=""):
    path = tmp_path / "sluiceway.toml"
    path.write_text(f'[service]\nname = "shop"\n{text}')
    config = load(path, {})
    return plugins.load(config, config.project({}), strict=strict, kind=kind)


def test_a_strangers_plugin_serves_when_it_is_chosen_and_sees_only_its_own_settings(
    tmp_path, install
):
    install("acme-flags", "flags-acme", "acme_flags_good", GOOD)
    found = loaded(
        tmp_path,
        '[stages]\nflags = "acme"\n[plugins.flags-acme]\nword = "mine"\n',
    )
    assert found.one("sluiceway_flags") == {"SEEN": "mine"}
    assert found.serving("sluiceway_flags") == ("flags-acme",)
    record = next(each for each in found.found if each.name == "flags-acme")
    assert (record.distribution, record.version) == ("acme-flags", "1.0")
    assert record.hooks == ("sluiceway_doctor", "sluiceway_flags")


def test_a_plugin_that_is_not_chosen_is_not_asked(tmp_path, install):
    install("acme-flags", "flags-acme", "acme_flags_idle", GOOD)
    assert loaded(tmp_path).serving("sluiceway_flags") == ("flags-environment",)


def test_a_plugin_that_is_not_chosen_is_imported_when_somebody_asks_what_there_is(
    tmp_path, install
):
    install("acme-flags", "flags-acme", "acme_flags_later", GOOD)
    found = loaded(tmp_path)
    assert found.one("sluiceway_flags") is not None
    assert "acme_flags_later" not in sys.modules
    assert "flags-acme" in found.serving("sluiceway_doctor")
    assert "acme_flags_later" in sys.modules
    assert next(each for each in found.found if each.name == "flags-acme").problem == ""


def test_who_asks_one_stage_alone_meets_no_plugin_of_another(tmp_path, install):
    install("acme-flags", "flags-acme", "acme_flags_other", "import nothing_of_this_name")
    found = loaded(tmp_path, '[stages]\nflags = "acme"\n', kind="policy")
    assert found.serving("sluiceway_policy_engine")
    with pytest.raises(PluginError) as caught:  # and is not served without it in silence
        found.serving("sluiceway_flags")
    assert caught.value.code == "plugin.import"
    with pytest.raises(PluginError) as caught:
        loaded(tmp_path, '[stages]\nflags = "acne"\n', kind="policy")
    assert caught.value.code == "plugin.unknown"


def test_a_bench_imports_the_plugins_of_a_stage_when_they_are_asked(tmp_path, install):
    install("acme-flags", "flags-acme", "acme_flags_waiting", GOOD)
    path = tmp_path / "sluiceway.toml"
    path.write_text('[service]\nname = "shop"\n[stages]\nflags = "acme"\n')
    bench = Workbench(load(path, {}), {})
    with closing(bench):
        assert bench.plugins_for("sql").maybe("sluiceway_sql_parser", dialect=Dialect.POSTGRES)
        assert bench.engine is not None
        assert "acme_flags_waiting" not in sys.modules
        assert bench.plugins_for("policy") is bench.plugins_for("sql")
        assert bench.plugins_for("sql").one("sluiceway_flags") == {"SEEN": "nothing"}
        assert "acme_flags_waiting" in sys.modules
        assert bench.plugins_for("policy") is not bench.plugins
        assert bench.plugins_for("policy") is bench.plugins


def test_two_owners_of_one_name_are_refused_before_anything_is_imported(tmp_path, install):
    install("acme-one", "flags-acme", "acme_one", "raise SystemExit('imported')")
    install("acme-two", "flags-acme", "acme_two", "raise SystemExit('imported')")
    with pytest.raises(PluginError) as caught:
        loaded(tmp_path)
    assert caught.value.code == "plugin.doubled"
    assert "acme-one" in caught.value.what
    assert "acme-two" in caught.value.what


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nothing_of_this_name", "No module named 'nothing_of_this_name'"),
        ("", "No module named"),
        ("raise SystemExit(0)", "SystemExit"),
        (
            "from sluiceway.hookspecs import hookimpl\n@hookimpl\ndef sluiceway_flagz(): pass\n",
            "'sluiceway_flags'",
        ),
        (
            (
                "from sluiceway.hookspecs import hookimpl\n"
                "@hookimpl\ndef sluiceway_flags(setings): pass\n"
            ),
            "setings",
        ),
    ],
)
def test_a_chosen_plugin_that_cannot_be_loaded_is_named_with_its_distribution(
    tmp_path, install, source, said
):
    install("acme-flags", "flags-acme", f"acme_flags_bad{abs(hash(source))}", source)
    with pytest.raises(PluginError) as caught:
        loaded(tmp_path, '[stages]\nflags = "acme"\n')
    assert "acme-flags 1.0" in caught.value.what
    assert said in caught.value.what
    listed = loaded(tmp_path, '[stages]\nflags = "acme"\n', strict=False)
    record = next(each for each in listed.found if each.name == "flags-acme")
    assert said in record.problem


@pytest.mark.parametrize(
    ("text", "guess"),
    [
        ('[stages]\nscan = ["ovs"]\n', "'scan-osv'"),
        ('[stages]\npolicy = "policy-server"\n', 'Write "server"'),
        ("[plugins.scan-ovs]\n", "'scan-osv'"),
    ],
)
def test_a_plugin_that_is_not_installed_is_refused_with_the_nearest_name(tmp_path, text, guess):
    with pytest.raises(PluginError) as caught:
        loaded(tmp_path, text)
    assert caught.value.code == "plugin.unknown"
    assert guess in caught.value.remedy


def test_what_a_plugin_raises_by_accident_refuses_and_names_it(tmp_path, install):
    install(
        "acme-flags",
        "flags-acme",
        "acme_flags_crash",
        "from sluiceway.hookspecs import hookimpl\n"
        "@hookimpl\ndef sluiceway_flags(): return {}['x']\n",
    )
    found = loaded(tmp_path, '[stages]\nflags = "acme"\n')
    with pytest.raises(ActionFailed) as caught:
        found.one("sluiceway_flags")
    assert caught.value.code == "plugin.defect"
    assert "flags-acme" in caught.value.what
    assert "acme-flags" in caught.value.remedy


def answering(tmp_path, install, source, name="answers"):
    """Return the loader with a gate plugin whose ``sluiceway_evidence`` is *source*."""
    install(
        "acme-gate",
        "gate-acme",
        f"acme_gate_{name}",
        "import math, sys\n"
        "from datetime import UTC, datetime\n"
        "from sluiceway.hookspecs import hookimpl\n"
        "from sluiceway.model import Evidence, Maker, Status\n"
        "def piece(**more):\n"
        "    said = dict(kind='acme', status=Status.OK, subject='x', made_at=datetime.now(UTC),\n"
        "                maker=Maker(plugin='gate-acme', tool='t', version='1'), summary='s', facts={})\n"
        "    return Evidence(**said | more)\n"
        f"@hookimpl\ndef sluiceway_evidence():\n    {source}\n",
    )
    return loaded(tmp_path, '[stages]\ngate = "acme"\n')


@pytest.mark.parametrize("source", ["return [piece()]", "return (piece(), piece(kind='more'))"])
def test_what_a_hook_promises_is_answered(tmp_path, install, source):
    answers = answering(tmp_path, install, source).each("sluiceway_evidence", request=None)
    assert [name for name, _ in answers] == ["gate-acme"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("return 'ok'", "str where the hook promises a sequence of Evidence"),
        ("return piece()", "Evidence where the hook promises a sequence of Evidence"),
        ("return {'kind': 'acme'}", "dict where the hook promises a sequence of Evidence"),
        ("return [{'kind': 'acme'}]", "dict where the hook promises Evidence"),
        ("return [piece(), None]", "NoneType where the hook promises Evidence"),
        ("return (piece() for _ in range(2))", "generator where the hook promises a sequence"),
        ("return [piece(made_at=datetime.now())]", "without a time zone"),
        ("return [piece(facts={'share': math.nan})]", "not JSON compliant"),
        ("return [piece(facts={'tool': object()})]", "object has no JSON form"),
        ("facts = {}; facts['facts'] = facts; return [piece(facts=facts)]", "RecursionError"),
        ("return [piece(summary='\\udc80')]", "UnicodeEncodeError"),
    ],
)
def test_another_answer_than_the_hook_promises_is_the_plugins_defect(
    tmp_path, install, source, told
):
    found = answering(tmp_path, install, source)
    with pytest.raises(ActionFailed) as caught:
        found.each("sluiceway_evidence", request=None)
    assert caught.value.code == "plugin.defect"
    assert told in caught.value.what
    assert "gate-acme" in caught.value.what


@pytest.mark.parametrize(
    "source", ["sys.exit(0)", "raise GeneratorExit", "raise BaseException('x')"]
)
def test_a_plugin_cannot_end_the_command_as_done(tmp_path, install, source):
    found = answering(tmp_path, install, source, "ends")
    with pytest.raises(ActionFailed) as caught:
        found.each("sluiceway_evidence", request=None)
    assert caught.value.code == "plugin.defect"


def test_ctrl_c_in_a_plugin_is_ctrl_c(tmp_path, install):
    found = answering(tmp_path, install, "raise KeyboardInterrupt", "interrupted")
    with pytest.raises(KeyboardInterrupt):
        found.each("sluiceway_evidence", request=None)


def test_every_hook_says_in_a_form_that_is_understood_what_it_answers():
    hooks = [name for name in vars(hookspecs) if name.startswith("sluiceway_")]
    forms = {hook: answers._promised(hook) for hook in hooks}
    assert {shape for shape, _ in forms.values()} == {"", "Sequence", "Mapping", "tuple"}
    interfaces = {
        "sluiceway_registry",
        "sluiceway_policy_engine",
        "sluiceway_sql_parser",
        "sluiceway_sql_style",
        "sluiceway_scratch_database",
        "sluiceway_statement_recorder",
        "sluiceway_notify",
    }
    assert {hook for hook, (_, kinds) in forms.items() if not all(kinds)} == interfaces


def test_a_stage_that_nobody_answers_is_an_error(tmp_path, install):
    install("acme-flags", "flags-acme", "acme_flags_none", "")
    install_source = (
        "from sluiceway.hookspecs import hookimpl\n@hookimpl\ndef sluiceway_flags(): return None\n"
    )
    install("acme-quiet", "flags-quiet", "acme_flags_quiet", install_source)
    found = loaded(tmp_path, '[stages]\nflags = "quiet"\n')
    with pytest.raises(PluginError) as caught:
        found.one("sluiceway_flags")
    assert caught.value.code == "plugin.none"
