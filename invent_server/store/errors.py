"""What can go wrong with the store, in words for the person who runs it."""


class StoreError(Exception):
    """The database cannot be used as it is; the message says what to do."""


class StoreUnavailable(Exception):
    """The database takes no writes right now (disk full, overloaded, away): nothing was stored, try again."""
