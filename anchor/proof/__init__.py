# SPDX-License-Identifier: Apache-2.0
"""The frozen proof code: formats of entries, logs, checkpoints and receipts, and ``verify``.

Pure functions over bytes, standard library only: copy this folder and you can verify any Anchorline receipt.
A change here that alters a byte, or refuses what was accepted, breaks receipts that are in strangers' hands;
so additions are new versions beside the old ones, and tests/vectors/ says what must never change.
"""
