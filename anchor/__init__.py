"""Anchorline's notary: logs, checkpoints and Bitcoin. It knows no customer; ``chains`` is the product on top."""
