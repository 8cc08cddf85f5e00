"""What pyproject.toml cannot say: the native hashing is built by cffi, where there is a compiler.

It uses Python's stable interface only, so that one wheel serves every Python from 3.11 on.
"""

from setuptools import setup

setup(
    cffi_modules=["anchor/hashing/build_native.py:BUILDER"],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
