"""The truth: tables, the one way to write and to read, conversion to wire objects. Rows never leave this room."""
