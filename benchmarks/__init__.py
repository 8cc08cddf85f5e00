"""Measures of Anchorline against bare references, run by hand: ``python -m benchmarks`` or ``make bench``."""
