"""Words that sentences are made of."""

import pytest

from sluiceway.words import counted


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("package",), "0 packages"),
        (1, ("package",), "1 package"),
        (2, ("package",), "2 packages"),
        (1, ("repository", "repositories"), "1 repository"),
        (2, ("repository", "repositories"), "2 repositories"),
    ],
)
def test_what_is_counted_has_its_plural(number, words, said):
    assert counted(number, *words) == said
