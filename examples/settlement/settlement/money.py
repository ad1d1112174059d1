"""Settling trades: fees, and netting per currency. Exact decimals, no floats anywhere."""

import re
from decimal import Decimal

from settlement_rounding import CURRENCIES, round_money

__all__ = ["Invalid", "SCHEDULES", "settle"]

KINDS = ("sale", "refund", "chargeback")
REGIONS = ("domestic", "international")
LIMIT = 10_000
_AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{1,4})?")

SCHEDULES = {
    # Percent and a fixed part (in units of a two-digit currency) per region; a flat chargeback fee.
    "standard": {
        "domestic": (Decimal("1.40"), Decimal("0.25")),
        "international": (Decimal("2.90"), Decimal("0.25")),
        "chargeback": Decimal("15.00"),
        "large": None,
    },
    # The new schedule: no fixed part, and a lower percentage from 1,000 units on.
    "graduated": {
        "domestic": (Decimal("1.65"), Decimal(0)),
        "international": (Decimal("3.10"), Decimal(0)),
        "chargeback": Decimal("12.50"),
        "large": (Decimal(1000), Decimal("0.30")),
    },
}


class Invalid(ValueError):  # noqa: N818 - reads as what it is: the request is invalid
    """The request's content cannot be right (HTTP 422)."""


def settle(trades, schedule):
    """Return ``(settlements, fees)`` for *trades* under the schedule of that name.

    A settlement nets one currency: sales less refunds, chargebacks and fees. Each fee is rounded
    on its own, half to even, so that the sum of the lines is the total on the invoice.
    """
    if not isinstance(trades, list) or not trades:
        raise Invalid("trades must be a list with at least one trade")
    if len(trades) > LIMIT:
        raise Invalid(f"{len(trades)} trades are more than {LIMIT} in one request")
    totals, fees, seen = {}, [], set()
    for index, trade in enumerate(trades):
        identifier, currency, kind, region, amount = _checked(trade, f"trades[{index}]")
        if identifier in seen:
            raise Invalid(f"trades[{index}]: id {identifier!r} occurs twice")
        seen.add(identifier)
        fee = _fee(amount, currency, kind, region, SCHEDULES[schedule])
        fees.append({"id": identifier, "currency": currency, "fee": _text(fee, currency)})
        line = totals.setdefault(currency, {"trades": 0, "fee": Decimal(0)} | dict.fromkeys(KINDS, Decimal(0)))  # fmt: skip
        line["trades"] += 1
        line["fee"] += fee
        line[kind] += amount
    settlements = [
        {
            "currency": currency,
            "trades": line["trades"],
            "sales": _text(line["sale"], currency),
            "refunds": _text(line["refund"], currency),
            "chargebacks": _text(line["chargeback"], currency),
            "fees": _text(line["fee"], currency),
            "net": _text(
                line["sale"] - line["refund"] - line["chargeback"] - line["fee"], currency
            ),
        }
        for currency, line in sorted(totals.items())
    ]
    return settlements, fees


def _checked(trade, where):
    if not isinstance(trade, dict):
        raise Invalid(f"{where} is not an object")
    identifier, currency = trade.get("id"), trade.get("currency")
    kind, region = trade.get("kind", "sale"), trade.get("region", "domestic")
    if not isinstance(identifier, str) or not identifier:
        raise Invalid(f"{where} has no id")
    if not isinstance(currency, str) or currency not in CURRENCIES:
        raise Invalid(f"{where}: currency {currency!r} is not one that we settle")
    if kind not in KINDS:
        raise Invalid(f"{where}: kind {kind!r} is not one of {', '.join(KINDS)}")
    if region not in REGIONS:
        raise Invalid(f"{where}: region {region!r} is not one of {', '.join(REGIONS)}")
    text = trade.get("amount")
    # A JSON number would already have gone through a binary float in some client.
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
        raise Invalid(f'{where}: amount must be text such as "12.50"')
    amount = Decimal(text)
    if amount == 0 or amount != round_money(amount, currency):
        raise Invalid(f"{where}: {text} is not an amount of {currency}")
    return identifier, currency, kind, region, amount


def _fee(amount, currency, kind, region, schedule):
    if kind == "refund":
        return round_money(Decimal(0), currency)
    # Fixed parts are meant for currencies of two digits; in yen a "0.25" would round away.
    scale = 100 if CURRENCIES[currency] == 0 else 1
    if kind == "chargeback":
        return round_money(schedule["chargeback"] * scale, currency)
    percent, fixed = schedule[region]
    if schedule["large"] and amount >= schedule["large"][0] * scale:
        percent -= schedule["large"][1]
    return round_money(amount * percent / 100 + fixed * scale, currency)


def _text(amount, currency):
    return format(round_money(amount, currency), "f")
