"""The scenario of the crash tests of ``add FOLDER``: a folder is recorded, once, however often it is run again.

What becomes of the list's file are points as the statements of the database are: before and after each step.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from anchor.errors import RefusedEntryError
from anchor.storage.engine import Engine
from chains.content_index import ContentIndex
from chains.intake import Added, Intake
from chains.manifest_writing import WHOLE, Cut
from chains.reader import Reader
from tests.simulators.folders import make_folder
from tests.simulators.store import START_MS, Store

FOLDER, LIST = "data", "data.manifest"
STEPS = ("link", "fsync", "unlink")
Point = Callable[[str], None]


@contextmanager
def steps_as_points(point: Point) -> Iterator[None]:
    """Make points of what becomes of the list's file: it was not done yet, and it was done and nobody heard of it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in STEPS:
            patch.setattr(os, name, pointed(point, name, getattr(os, name)))
        yield


def pointed(point: Point, name: str, done: Callable[..., Any]) -> Callable[..., Any]:
    def step(*arguments: Any, **named: Any) -> Any:
        point(f"before {name}")
        result = done(*arguments, **named)
        point(f"after {name}")
        return result

    return step


def intake_of(store: Store, cut: Cut = WHOLE) -> Intake:
    index, reader = ContentIndex(store.engine, store.chains), Reader(store.engine, store.chains, store.lookup)
    return Intake(cut=cut, recorded=lambda digest: index.place_of(reader, digest))


def add_folder(engine: Engine, folder: Path) -> None:
    """Record the folder once; run again, say that it is recorded if it is, and else go on."""
    store = Store(engine)
    if not (folder / FOLDER).exists():
        make_folder(folder / FOLDER)
    chain = store.open_chain("acme") if store.chains.by_name("acme") is None else store.chains.named("acme")
    with steps_as_points(getattr(engine, "point")):  # noqa: B009  # every engine of these tests has it
        if store.chains.size(chain) == 1:
            add(store, folder)
            return
        with pytest.raises(RefusedEntryError, match=r"is recorded already, with the list .*: entry 1 of acme"):
            add(store, folder)


def add(store: Store, folder: Path, cut: Cut = WHOLE) -> Added:
    intake, chain = intake_of(store, cut), store.chains.named("acme")
    return intake.record(store.writer, chain, [folder / FOLDER], lambda: START_MS, lambda _: None)
