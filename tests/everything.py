"""Imports every module of the product: what the server of ``tests.forked`` loads once, before it forks commands."""

import importlib
import pkgutil

import anchor
import chains
import cli  # noqa: F401  # the commands' own entry point

_BUILDS = "anchor.hashing.build_native"
"""Runs when the package is installed only, with what building needs."""

for package in (anchor, chains):
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if found.name != _BUILDS:
            importlib.import_module(found.name)
