"""Configuration: ``sluiceway.toml`` to one model, every value with its origin."""

from sluiceway.config.blue_green import soak_limits, soak_table
from sluiceway.config.canary import canary_limits, canary_table
from sluiceway.config.load import FILE_NAME, bare, find, load
from sluiceway.config.model import BUILD, Config, DeployTimes, Migrations, Summary

__all__ = [
    "BUILD",
    "FILE_NAME",
    "Config",
    "DeployTimes",
    "Migrations",
    "Summary",
    "bare",
    "canary_limits",
    "canary_table",
    "find",
    "load",
    "soak_limits",
    "soak_table",
]
