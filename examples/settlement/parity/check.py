"""Billing parity: the same trades must give the same numbers, to the last digit.

    python3 parity/check.py --url URL                    # against parity/expected.json
    python3 parity/check.py --url URL --against URL      # new version against old version

Exit 0: the same. Exit 1: they differ, and each difference is printed. Exit 2: no answer to compare.
"""

import argparse
import http.client
import json
import sys
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMPARED = ("schedule", "settlements", "fees")


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Compare billing numbers exactly.")
    parser.add_argument("--url", required=True, help="base URL of the version under test")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--expected", type=Path, default=HERE / "expected.json")
    other.add_argument("--against", metavar="URL", help="base URL of the version that serves now")
    parser.add_argument("--trades", type=Path, default=HERE / "trades.json")
    options = parser.parse_args(arguments)
    try:
        request = options.trades.read_bytes()
        count = len(json.loads(request)["trades"])
        if options.against:
            name, expected = options.against, settle(options.against, request)
        else:
            name, expected = options.expected.name, load(options.expected)
        actual = settle(options.url, request)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        print(f"parity: nothing to compare: {error}", file=sys.stderr)
        return 2
    found = list(differences(expected, actual, "$"))
    for path, wanted, got in found:
        print(f"{path}\n  - {wanted}\n  + {got}")
    if found:
        print(f"parity: {len(found)} differences from {name} over {count} trades", file=sys.stderr)
        return 1
    print(f"parity: {count} trades give the same numbers as {name}")
    return 0


def load(path):
    document = json.loads(path.read_bytes())
    return {key: document[key] for key in COMPARED}


def settle(url, request):
    """POST the trades to *url* and return what is compared of the answer."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an http URL")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=10)
    try:
        path = parts.path.rstrip("/") + "/api/settlements"
        connection.request("POST", path, request, {"Content-Type": "application/json"})
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise ValueError(f"{url} answered {response.status}: {body[:200].decode(errors='replace')}")
    document = json.loads(body)
    return {key: document[key] for key in COMPARED}


def differences(expected, actual, path):
    """Yield ``(path, expected, actual)`` wherever the two documents are not exactly equal."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in sorted({*expected, *actual}):
            yield from differences(
                expected.get(key, "nothing"), actual.get(key, "nothing"), f"{path}.{key}"
            )
    elif isinstance(expected, list) and isinstance(actual, list):
        for index in range(max(len(expected), len(actual))):
            yield from differences(
                expected[index] if index < len(expected) else "nothing",
                actual[index] if index < len(actual) else "nothing",
                f"{path}[{index}]",
            )
    elif type(expected) is not type(actual) or expected != actual:
        yield path, json.dumps(expected), json.dumps(actual)


if __name__ == "__main__":
    sys.exit(main())
