"""What `status` and `keys.new` tell a person to do next."""

import pytest

from sluiceway.cli import board
from sluiceway.model import Slot, Traffic

GOOD = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def problems(shop, monkeypatch, serving=""):
    """The board's problems where every tag names GOOD and production's stable slot *serving*."""
    bench = shop.bench()
    slots = ()
    if serving:
        slots = (SLOT(serving),)
    monkeypatch.setattr(type(bench), "held", lambda _bench, _name: GOOD)
    ask = type(bench.plugins).one

    def one(plugins, hook, **arguments):
        if hook != "sluiceway_traffic":
            return ask(plugins, hook, **arguments)
        route = arguments["environment"].route
        return Traffic(route=route, url="", slots=slots if route == "production" else ())

    monkeypatch.setattr(type(bench.plugins), "one", one)
    return {row["environment"]: row["problem"] for row in board.rows(bench)}
