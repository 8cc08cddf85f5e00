"""S3-compatible storage of the test's own: moto's server in a process of its own, on a real socket.

Tests of what is pushed use it; what they put there lies in that process's memory, and ends with it.
"""

import importlib.util
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.waiting import wait_until

BUCKET = "public"
_READ_BY_ALL = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    ],
}


def skip_without_storage() -> None:
    """Skip where what is needed is not installed, and say so."""
    lacking = [name for name in ("obstore", "moto", "flask_cors") if importlib.util.find_spec(name) is None]
    if not lacking:
        return
    pytest.skip(f"NO OBJECT STORAGE: {', '.join(lacking)} is not installed; nothing was tested")


@contextmanager
def storage(patched: pytest.MonkeyPatch) -> Iterator[None]:
    """Run it, with one bucket that everybody may read; the environment names it as tools for such storage expect."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _has_bucket(url))
        httpx.put(f"{url}/{BUCKET}?policy", json=_READ_BY_ALL).raise_for_status()
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }.items():
            patched.setenv(name, value)
        yield
    finally:
        process.kill()
        process.wait()


def new_prefix() -> str:
    """Return the address of a prefix that nobody used."""
    return f"s3://{BUCKET}/{uuid.uuid4().hex}/log"


def _has_bucket(url: str) -> bool:
    try:
        return httpx.put(f"{url}/{BUCKET}").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
