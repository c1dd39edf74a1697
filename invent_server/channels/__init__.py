"""Channels: one module each behind the small interface of `base.py`."""
