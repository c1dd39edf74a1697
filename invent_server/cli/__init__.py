"""The command line: one file per noun. It speaks only the API; heavy imports stand inside the commands."""
