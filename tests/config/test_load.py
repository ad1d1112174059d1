import subprocess
from pathlib import Path

import pytest

from sluiceway.config import load
from sluiceway.errors import ActionFailed, ConfigurationError, ExitCode, UsageError
from sluiceway.model import Strategy
from sluiceway.oci.credentials import find_credentials

MINIMAL = '[service]\nname = "shop"\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sluiceway.toml"
    path.write_text(text)
    return path


def test_a_name_is_enough_and_the_rest_are_the_missions_defaults(tmp_path):
    config = load(written(tmp_path, MINIMAL), {})
    assert [environment.name for environment in config.environments] == [
        "dev",
        "staging",
        "canary",
        "production",
    ]
    assert config.environment("canary").strategy is Strategy.CANARY
    assert config.environment("canary").route == "production"
    assert config.canary.traffic_percent == 5
    assert config.canary.error_rate_threshold == 5
    assert config.canary.latency_p99_threshold_ms == 2000
    assert config.canary.duration_seconds == 300
    assert config.canary.interval_seconds == 10
    assert config.canary.consecutive == 3
    assert config.canary.health_path == "/api/health"
    assert config.repository == "127.0.0.1:5555/shop"
    assert config.origin("canary.traffic_percent") == "default"


def test_every_value_knows_where_it_came_from(tmp_path):
    path = written(tmp_path, MINIMAL + "[canary]\ntraffic_percent = 7\n")
    config = load(path, {"REGISTRY_URL": "https://registry.example:444/team/"})
    assert config.origin("canary.traffic_percent") == "sluiceway.toml"
    assert config.origin("service.repository") == "environment REGISTRY_URL"
    assert config.repository == "registry.example:444/team/shop"


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("[canary]\ntraffic_precent = 5\n", "'traffic_precent'", "'traffic_percent'"),
        ("[servce]\nname = 'x'\n", "'servce'", "'service'"),
        ("[environments.dev]\nprot = 1\n", "'prot'", "'port'"),
        ("[stages]\nscans = ['osv']\n", "'scans'", "'scan'"),
        ('[canary]\ntraffic_percent = "5"\n', "'5'", "number"),
        ("[canary]\nconsecutive = true\n", "True", "whole number"),
    ],
)
def test_a_wrong_key_or_type_is_refused_with_the_nearest_right_one(tmp_path, text, what, remedy):
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, MINIMAL + text), {})
    assert what in caught.value.what
    assert remedy in caught.value.remedy
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "configuration.missing-key"),
        ("[service\n", "configuration.syntax"),
        ('[service]\nname = "Shop!"\n', "configuration.type"),
        (MINIMAL + "[canary]\ntraffic_percent = 99\n", "configuration.range"),
        (MINIMAL + "[canary]\nhealth_timeout_minutes = 0.1\n", "configuration.range"),
        (MINIMAL + "[state]\nlease_seconds = 0\n", "configuration.range"),
        (MINIMAL + "[environments.dev]\nready_seconds = 0.0\n", "configuration.range"),
        (MINIMAL + "[environments.dev]\nready_seconds = nan\n", "configuration.range"),
        (MINIMAL + "[environments.dev]\ndrain_seconds = -1.0\n", "configuration.range"),
        (MINIMAL + "[environments.dev]\ndrain_seconds = inf\n", "configuration.range"),
        (MINIMAL + '[policy]\ndata = ["nowhere.json"]\n', "configuration.missing-file"),
        (MINIMAL + "[environments.build-x]\n", "configuration.type"),
        (MINIMAL + '[environments.a]\nstrategy = "canary"\n', "configuration.type"),
        (MINIMAL + '[environments.a]\nstrategy = "yolo"\n', "configuration.type"),
        (MINIMAL + '[stages]\nsign = ["a", "b"]\n', "configuration.type"),
        (MINIMAL + '[[waivers]]\ncode = "x"\n', "configuration.missing-key"),
        ("environments = 5\n" + MINIMAL, "configuration.type"),
        ("waivers = 5\n" + MINIMAL, "configuration.type"),
        ("stages = 5\n" + MINIMAL, "configuration.type"),
        (
            MINIMAL + '[[waivers]]\ncode="x"\nreason="r"\nowner="o"\nexpires="soon"\n',
            "configuration.type",
        ),
    ],
)
def test_what_cannot_be_right_is_refused_by_code(tmp_path, text, code):
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, text), {})
    assert caught.value.code == code


def test_an_unknown_environment_names_the_known_ones_and_the_nearest(tmp_path):
    config = load(written(tmp_path, MINIMAL), {})
    with pytest.raises(UsageError) as caught:
        config.environment("prodution")
    assert "dev, staging, canary, production" in caught.value.means
    assert "'production'" in caught.value.remedy


def test_the_predecessor_of_the_first_environment_is_the_build(tmp_path):
    config = load(written(tmp_path, MINIMAL), {})
    assert config.predecessor("dev") == "build"
    assert config.predecessor("production") == "canary"


def test_a_waivers_last_day_counts_in_full(tmp_path):
    text = '[[waivers]]\ncode = "x"\nreason = "r"\nowner = "o"\nexpires = 2027-01-31\n'
    (waiver,) = load(written(tmp_path, MINIMAL + text), {}).waivers
    assert waiver.expires.isoformat().startswith("2027-01-31T23:59:59")


def test_a_canary_runs_as_the_environment_whose_traffic_it_shares(tmp_path):
    text = (
        '[environments.production]\nport = 8080\nenv = {A = "1", B = "2"}\n'
        '[environments.canary]\nstrategy = "canary"\nroute = "production"\nenv = {B = "3"}\n'
    )
    config = load(written(tmp_path, MINIMAL + text), {})
    settings = config.environment("canary").settings
    assert settings["port"] == 8080
    assert settings["env"] == {"A": "1", "B": "3"}


def test_a_state_folder_that_cannot_be_made_is_no_defect_of_ours(tmp_path):
    config = load(written(tmp_path, MINIMAL), {})
    config.state.touch()
    with pytest.raises(ActionFailed) as caught:
        config.project({})
    assert caught.value.code == "state.unwritable"
    assert "SLUICEWAY_STATE" in caught.value.remedy


def test_git_never_takes_what_the_state_folder_holds(tmp_path):
    config = load(written(tmp_path, MINIMAL), {})
    state = config.project({}).state
    (state / "cosign.key").write_text("secret")
    (tmp_path / "cosign.pub").write_text("public")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, timeout=30)
    added = subprocess.run(
        ["git", "-C", str(tmp_path), "ls-files", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert added.stdout.split() == ["cosign.pub", "sluiceway.toml"]


def test_a_folder_that_was_there_before_is_not_hidden_from_git(tmp_path):
    config = load(written(tmp_path, MINIMAL), {})
    config.state.mkdir()
    config.project({})
    assert list(config.state.iterdir()) == []


def test_a_password_in_the_registrys_address_is_refused_and_not_shown(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, MINIMAL), {"REGISTRY_URL": "https://ci:hunter2@registry.example/x"})
    assert caught.value.code == "configuration.secret"
    assert "hunter2" not in str(caught.value.diagnostics())


@pytest.mark.parametrize("name", ["build-x", "source-0123", "pushed", "sha256-ab.sig"])
def test_a_name_that_is_a_tag_of_its_own_is_no_environment(tmp_path, name):
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, f'{MINIMAL}[environments."{name}"]\n'), {})
    assert "are taken" in caught.value.means


def test_a_source_with_a_password_is_refused_and_not_shown(tmp_path):
    text = MINIMAL + 'source = "https://me:hunter2@example.invalid/app"\n'
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, text), {})
    assert caught.value.code == "configuration.secret"
    assert "hunter2" not in str(caught.value.diagnostics())


def test_an_environment_may_have_a_repository_of_its_own(tmp_path):
    text = MINIMAL + (
        '[environments.dev]\n[environments.production]\nrepository = "prod.example/team/shop"\n'
    )
    config = load(written(tmp_path, text), {"REGISTRY_URL": "registry.example/team"})
    assert config.repository_of("build") == config.repository_of("dev") == config.repository
    assert config.repository == "registry.example/team/shop"
    assert config.repository_of("production") == "prod.example/team/shop"
    assert config.origin("environments.production.repository") == "sluiceway.toml"


@pytest.mark.parametrize(
    ("repository", "what"),
    [("https://prod.example/shop", "https"), ("prod.example/shop:1", ":1"), ("Prod/shop", "Prod")],
)
def test_an_environments_repository_is_a_repository(tmp_path, repository, what):
    text = MINIMAL + f'[environments.production]\nrepository = "{repository}"\n'
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, text), {})
    assert what in caught.value.what
    assert "[environments.production] repository" in caught.value.remedy


def test_a_secret_in_an_environments_repository_is_refused_and_not_shown(tmp_path):
    text = MINIMAL + '[environments.production]\nrepository = "robot:hunter2@prod.example/shop"\n'
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, text), {})
    assert caught.value.code == "configuration.secret"
    assert "hunter2" not in str(caught.value.diagnostics())


def test_one_registrys_password_is_not_for_the_other(tmp_path):
    """Without REGISTRY_URL the pair is for any host; with two registries it is for the first."""
    elsewhere = '[environments.production]\nrepository = "prod.example/team/shop"\n'
    text = MINIMAL + 'repository = "registry.example/shop"\n' + elsewhere
    pair = {"REGISTRY_USERNAME": "robot", "REGISTRY_PASSWORD": "hunter2"}
    environ = load(written(tmp_path, text), pair).project(pair).environ
    assert find_credentials("registry.example", environ) is not None
    assert find_credentials("prod.example", environ) is None
    said = {**pair, "REGISTRY_URL": "https://prod.example"}  # whoever says it, means it
    assert load(written(tmp_path, text), {}).project(said).environ == said
    assert load(written(tmp_path, text), {}).project({}).environ == {}
    alone = MINIMAL + 'repository = "registry.example/shop"\n'
    assert load(written(tmp_path, alone), pair).project(pair).environ == pair


PIN = "sha256:" + "a" * 64


def test_policies_may_be_an_artifact_that_is_pinned(tmp_path):
    text = f'{MINIMAL}[policy]\nbundle = "registry.example:5000/team/policies"\ndigest = "{PIN}"\n'
    config = load(written(tmp_path, text), {})
    assert config.policy_bundle == "registry.example:5000/team/policies"
    assert config.policy_digest == PIN
    assert config.policy_path is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('bundle = "registry.example/policies"', "policy.bundle-unpinned"),
        ('bundle = "registry.example/policies:v1"', "policy.bundle-unpinned"),
        (f'bundle = "registry.example/policies:v1"\ndigest = "{PIN}"', "policy.bundle-unpinned"),
        (f'bundle = "registry.example/policies@{PIN}"', "policy.bundle-unpinned"),
        (f'bundle = "policies"\ndigest = "{PIN}"', "configuration.type"),
        (f'bundle = "https://registry.example/p"\ndigest = "{PIN}"', "configuration.type"),
        (f'bundle = "r.example/p"\npath = "p"\ndigest = "{PIN}"', "configuration.type"),
        ('digest = "sha256:abc"', "configuration.type"),
        ('digest = "v1"', "configuration.type"),
        ('bundle = "robot:hunter2@r.example/p"', "configuration.secret"),
        (f'bundle = "robot:hunter2@r.example/p"\ndigest = "{PIN}"', "configuration.secret"),
    ],
)
def test_a_bundle_that_is_not_pinned_or_no_repository_is_refused(tmp_path, text, code):
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, f"{MINIMAL}[policy]\n{text}\n"), {})
    assert caught.value.code == code
    assert "hunter2" not in str(caught.value.diagnostics())


def test_the_services_password_is_not_for_the_policies_registry(tmp_path):
    text = MINIMAL + 'repository = "registry.example/shop"\n'
    text += f'[policy]\nbundle = "policies.example/team"\ndigest = "{PIN}"\n'
    pair = {"REGISTRY_USERNAME": "robot", "REGISTRY_PASSWORD": "hunter2"}
    environ = load(written(tmp_path, text), pair).project(pair).environ
    assert find_credentials("registry.example", environ) is not None
    assert find_credentials("policies.example", environ) is None
