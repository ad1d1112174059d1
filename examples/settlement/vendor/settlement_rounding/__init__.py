"""Round amounts of money to the smallest unit of their currency, half to even.

Half-even ("banker's") rounding has no drift: over many fees, as many halves go up as down.
Exponents are those of ISO 4217.
"""

from decimal import ROUND_HALF_EVEN, Decimal

__all__ = ["CURRENCIES", "quantum", "round_money"]
__version__ = "1.2.0"

CURRENCIES = {
    "AUD": 2, "BHD": 3, "BRL": 2, "CAD": 2, "CHF": 2, "CLP": 0, "CNY": 2, "CZK": 2,
    "DKK": 2, "EUR": 2, "GBP": 2, "HUF": 2, "INR": 2, "ISK": 0, "JOD": 3, "JPY": 0,
    "KRW": 0, "KWD": 3, "MXN": 2, "NOK": 2, "NZD": 2, "OMR": 3, "PLN": 2, "SEK": 2,
    "SGD": 2, "TND": 3, "USD": 2, "ZAR": 2,
}  # fmt: skip


def quantum(currency):
    """Return the smallest amount of *currency* as a Decimal; KeyError when it is not known."""
    return Decimal(1).scaleb(-CURRENCIES[currency])


def round_money(amount, currency):
    """Return *amount* rounded half to even to the smallest unit of *currency*."""
    return amount.quantize(quantum(currency), rounding=ROUND_HALF_EVEN)
