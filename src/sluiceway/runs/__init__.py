"""Durable runs: release, promote (with its canary), rollback; leases; resume.

Nothing is imported here: DBOS costs about a second, so only what starts a run imports it.
"""
