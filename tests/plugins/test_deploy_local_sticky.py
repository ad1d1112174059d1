"""A client that stays on one side: by its cookie or header, in proportion to the weights."""

from __future__ import annotations

import http.client

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.errors import ConfigurationError
from sluiceway_deploy_local.counters import Counters
from sluiceway_deploy_local.sticky import Sticky
from sluiceway_deploy_local.table import Backend, Table, shares

from .deploy_local_kit import opened

USERS = [f"user-{number}" for number in range(4000)]
BY_HEADER = Sticky(header=b"x-user")


def place(user):
    return BY_HEADER.place([(b"x-user", b"X-User", user.encode())])


def sides(table, canary):
    return {user: table.pick(place(user)) is canary for user in USERS}


def tables(*weights):
    stable, canary = Backend(1, Counters()), Backend(2, Counters())
    return canary, [Table(shares(stable, canary, weight)) for weight in weights]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("cookie:session", Sticky(cookie=b"session")),
        ("header:X-User", Sticky(header=b"x-user")),
        ("cookie:", None),
        ("cookie:a b", None),
        ("header:a\r\nb", None),
        ("ip", None),
        ("", None),
    ],
)
def test_a_cookie_or_a_header_is_named(said, wanted):
    assert Sticky.of(said) == wanted


@pytest.mark.parametrize("weight", [1, 5, 25, 50])
def test_the_share_of_clients_is_the_weight(weight):
    canary, (table,) = tables(weight)
    share = sum(sides(table, canary).values()) / len(USERS)
    # The users are fixed and so is the hash: this cannot fail by chance. 4 standard deviations.
    assert abs(share - weight / 100) < 4 * (weight / 100 * (1 - weight / 100) / len(USERS)) ** 0.5


@given(st.floats(0.01, 99.9), st.floats(0.01, 99.9))
@settings(max_examples=20, deadline=None)
def test_raising_the_weight_moves_clients_to_the_canary_and_none_away(one, other):
    low, high = sorted((one, other))
    canary, (before, after) = tables(low, high)
    now = sides(after, canary)
    assert all(now[user] for user, was in sides(before, canary).items() if was)


@given(st.binary(min_size=1, max_size=80))
def test_a_place_is_from_0_to_below_1_and_never_changes(value):
    fields = [(b"x-user", b"X-User", value)]
    found = BY_HEADER.place(fields)
    assert found is not None
    assert 0 <= found < 1
    assert BY_HEADER.place(fields) == found


def test_both_ends_are_somebodys():
    canary, (few, all_, none) = tables(0.001, 100, 0)
    assert few.pick(0.0) is canary
    assert few.pick(1 - 2**-53) is not canary
    assert all_.pick(1 - 2**-53) is canary
    assert none.pick(0.0) is not canary


@pytest.mark.parametrize(
    ("cookie", "same"),
    [
        (b"session=abc", True),
        (b"a=1; session=abc; b=2", True),
        (b"a=1;session=abc", True),
        (b"session=abd", False),
        (b"Session=abc", None),
        (b"xsession=abc", None),
        (b"session=", None),
        (b"session", None),
    ],
)
def test_the_cookie_is_found_among_others(cookie, same):
    by_cookie = Sticky(cookie=b"session")
    wanted = by_cookie.place([(b"cookie", b"Cookie", b"session=abc")])
    found = by_cookie.place([(b"host", b"Host", b"a"), (b"cookie", b"Cookie", cookie)])
    assert found is None if same is None else (found == wanted) is same


def test_who_has_no_name_takes_the_next_turn():
    canary, (table,) = tables(25)
    assert BY_HEADER.place([(b"host", b"Host", b"a")]) is None
    for user in USERS[:50]:  # who has one takes no turn away
        table.pick(place(user))
    assert sum(table.pick(None) is canary for _ in range(100)) == 25


def test_a_client_stays_through_a_canarys_life(tmp_path):
    def served(port, user=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        headers = {"Cookie": f"theme=dark; session={user}"} if user else {}
        try:
            connection.request("GET", "/", headers=headers)
            return connection.getresponse().read().decode().split()[0]
        finally:
            connection.close()

    with opened(tmp_path) as site:
        site.deploy("one", sticky="cookie:session")
        site.deploy("two", "canary")  # says nothing, so what production says holds
        port = site.port()
        seen: dict[str, str] = {}
        for weight in (10, 30, 30):
            site.weigh(weight)
            now = {user: served(port, user) for user in USERS[:40]}
            assert all(now[user] == "two" for user, was in seen.items() if was == "two")
            assert all(served(port, user) == now[user] for user in USERS[:5])
            seen = now
        assert set(seen.values()) == {"one", "two"}
        assert [served(port) for _ in range(20)].count("two") == 6
        supervisor = site.supervisor()  # once: the next one may have written itself down by then
        supervisor.kill()
        supervisor.wait(10)
        site.weigh(30)  # another supervisor takes over, and the canary comes back with nothing
        assert site.inspect()["sticky"] == "cookie:session"
        site.deploy("two", "canary")
        site.weigh(30)
        assert {user: served(site.port(), user) for user in USERS[:40]} == seen
        site.deploy("two", sticky="")
        assert site.inspect()["sticky"] == ""


@pytest.mark.parametrize("said", ["session", "cookie:", "header:a b", 3])
def test_what_names_nothing_is_refused(tmp_path, said):
    with opened(tmp_path) as site, pytest.raises(ConfigurationError, match="sticky") as caught:
        site.deploy("one", sticky=said)
    assert "cookie:session" in caught.value.remedy
