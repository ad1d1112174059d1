"""One database server for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.migrations import dryrun_kit as kit

from sluiceway_database_embedded.server import EmbeddedServer


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with kit.server(tmp_path_factory.mktemp("postgres")) as made:
        yield made
