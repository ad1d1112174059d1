"""Making references comparable: merchant names, country codes, currency codes."""

import re
import unicodedata

from settlement_rounding import CURRENCIES

from settlement.money import Invalid

_LEGAL_FORMS = {"ltd", "limited", "llc", "inc", "plc", "gmbh", "ag", "sa", "sarl", "bv", "nv", "ab"}
_COUNTRIES = {
    "austria": "AT", "belgium": "BE", "canada": "CA", "denmark": "DK", "finland": "FI",
    "france": "FR", "germany": "DE", "deutschland": "DE", "ireland": "IE", "italy": "IT",
    "japan": "JP", "netherlands": "NL", "holland": "NL", "norway": "NO", "spain": "ES",
    "sweden": "SE", "switzerland": "CH", "uk": "GB", "united kingdom": "GB",
    "great britain": "GB", "usa": "US", "united states": "US", "united states of america": "US",
}  # fmt: skip
_CODES = set(_COUNTRIES.values())
_SYMBOLS = {"€": "EUR", "£": "GBP", "¥": "JPY", "₩": "KRW", "₹": "INR", "US$": "USD", "A$": "AUD"}


def normalise(records):
    """Return one ``{"merchant", "country", "currency"}`` per record, in order.

    A country or currency that is not known becomes null: the caller decides what that means.
    """
    if not isinstance(records, list) or not records:
        raise Invalid("records must be a list with at least one record")
    answers = []
    for index, record in enumerate(records):
        if not isinstance(record, dict):
            raise Invalid(f"records[{index}] is not an object")
        for key in ("merchant", "country", "currency"):
            if not isinstance(record.get(key, ""), str):
                raise Invalid(f"records[{index}]: {key} must be text")
        answers.append(
            {
                "merchant": merchant(record.get("merchant", "")),
                "country": country(record.get("country", "")),
                "currency": currency(record.get("currency", "")),
            }
        )
    return answers


def merchant(name):
    """``" Müller & Söhne GmbH "`` and ``"MULLER & SOHNE"`` become ``"muller sohne"``."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).casefold()
    plain = "".join(mark for mark in plain if not unicodedata.combining(mark))
    words = re.sub(r"[^\w]+|_", " ", plain.replace(".", "").replace("'", "")).split()
    while len(words) > 1 and words[-1] in _LEGAL_FORMS:
        words.pop()
    return " ".join(words)


def country(text):
    """Return the ISO 3166-1 alpha-2 code for a code or an English name, else None."""
    plain = " ".join(text.replace(".", "").split())
    if plain.upper() in _CODES:
        return plain.upper()
    return _COUNTRIES.get(plain.casefold().removeprefix("the "))


def currency(text):
    """Return the ISO 4217 code for a code or a sign, else None. A bare ``$`` is ambiguous."""
    plain = text.strip()
    code = _SYMBOLS.get(plain, plain).upper()
    return code if code in CURRENCIES else None
