"""Storage: the ``Engine`` protocol, its SQLite implementation, and the one list of migrations for every engine."""
