"""SHA-256 of many things at once: one call for a batch, in native code where it was built, else with hashlib."""
