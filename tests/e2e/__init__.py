"""The whole product, walked as its users walk it."""
