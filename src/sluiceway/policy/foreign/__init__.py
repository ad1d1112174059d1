"""Policies that were written for conftest, judged as conftest judges."""
