"""See tests/support/fixtures.py."""

from tests.support.fixtures import clock, database, dialect, store, templates

__all__ = ["clock", "database", "dialect", "store", "templates"]
