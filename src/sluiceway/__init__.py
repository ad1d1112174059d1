"""Sluiceway: one image digest, moved through environments by evidence and policy."""

__all__ = ["__version__"]

__version__ = "0.1.0"
