"""Whose SQL it is: the one word of this room that a configuration has."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["MYSQL", "Dialect"]


class Dialect(StrEnum):
    """Whose SQL it is. The words are sqlfluff's, because people know them from there."""

    POSTGRES = "postgres"
    MYSQL = "mysql"
    MARIADB = "mariadb"
    SQLITE = "sqlite"
    TSQL = "tsql"
    ORACLE = "oracle"
    SNOWFLAKE = "snowflake"
    BIGQUERY = "bigquery"
    REDSHIFT = "redshift"
    DUCKDB = "duckdb"
    CLICKHOUSE = "clickhouse"
    DB2 = "db2"
    ANSI = "ansi"


MYSQL = frozenset({Dialect.MYSQL, Dialect.MARIADB})
"""MySQL and what came from it."""
