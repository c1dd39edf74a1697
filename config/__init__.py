"""Data of the product, read by importlib.resources: defaults, catalogs, demo company, instruction templates."""
