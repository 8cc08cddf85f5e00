"""(h) Signed entries over HTTP, 500 a request: against the library's bare loop, and a signed batch against none signed.

``wrk`` posts entries that were made before, so that each request is checked and written, and no key is on the server.
On one core server and load are pinned to the same one (``taskset``), on two both have both; the reference checks the
same signatures with PyNaCl in one loop, pinned to one core. By turns, and the median of the rounds' ratios; beside the
clock the server's CPU time, which neighbours disturb less.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from nacl.bindings import crypto_sign_open

from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, signature_of
from benchmarks.measuring import ROUNDS, temporary_folder
from benchmarks.serving import bodies
from chains.client.own_entry import Form, Sent, make_batch, make_entry
from chains.client.signing import Ed25519Key
from tests.simulators.api_server import ApiServer, make_home, make_key, running

BATCH = 500
REQUESTS = 40
CONTENT_BYTES = 300
CONNECTIONS = 4
TARGETS = {"one core": 0.70, "two cores": 1.20, "signed batch": 0.80}
