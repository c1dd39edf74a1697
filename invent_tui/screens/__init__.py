"""The screens: the inbox, and the small ones that lie over it."""
