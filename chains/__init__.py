"""Anchorline's product on top of the notary: chains, who may write what where, and how it is read and proved."""
