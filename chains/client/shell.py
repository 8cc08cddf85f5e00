# SPDX-License-Identifier: Apache-2.0
"""What ``Client`` and ``AsyncClient`` are both made of: all that sends nothing.

Options come from the caller; each of the two adds the sending, and the operations of ``chains.client.core``.
"""

from collections.abc import Sequence
from typing import TypedDict

from anchor.proof.entry import ExternalId, Link
from chains.client.connection import Body, Options, Timeouts, settings_of
from chains.client.core import Core
from chains.client.envelope import public_key_of
from chains.client.exchange import Call
from chains.client.own_entry import Form, OwnEntry, Sent
from chains.client.signing import Signatory

Names = Sequence[str | bytes | ExternalId]
"""External ids: texts and bytes are ids in clear, which can never be erased; keyed names where the client has a
search key."""


class AlikeOptions(TypedDict, total=False):
    """What entries can be given besides their content, alike for many; ``Shell.form`` has the defaults."""

    media_type: str
    external_ids: Names
    links: Sequence[Link]
    signer: Signatory | None
    encrypt_for: Sequence[str]


class EntryOptions(AlikeOptions, total=False):
    """What one entry can be given besides its content, by name; ``Shell.make`` has the defaults."""

    sent: Sent


class Shell:
    """The operations' core, what every request carries, and the entries that are made without asking anybody."""

    def __init__(self, key: str | None, options: Options) -> None:
        self.core = Core(settings_of(options))
        self._timeouts = options.get("timeouts", Timeouts())
        self._authorization: tuple[tuple[str, str], ...] = ()
        if key is not None:
            self._authorization = (("authorization", f"Bearer {key}"),)

    def make(
        self,
        chain_id: bytes,
        content: bytes,
        *,
        media_type: str = "",
        external_ids: Names = (),
        links: Sequence[Link] = (),
        sent: Sent = Sent.CONTENT,
        signer: Signatory | None = None,
        encrypt_for: Sequence[str] = (),
    ) -> OwnEntry:
        """Return an entry over ``content``, made here and sent nowhere yet; ``add_entry`` records it.

        ``signer`` signs it in the place of the client's own ``author``. With ``encrypt_for`` (public keys of readers,
        ``reader_...``) the service gets the content encrypted, and only they can open it; ``sent`` says nothing then,
        and ids that are not keyed are refused.
        """
        form = self.form(media_type, external_ids, links, signer, encrypt_for)
        return self.core.make(chain_id, content, form, sent)

    def make_of_digest(
        self,
        chain_id: bytes,
        digest: bytes,
        *,
        media_type: str = "",
        external_ids: Names = (),
        links: Sequence[Link] = (),
        sent: Sent = Sent.COMMITMENT,
        signer: Signatory | None = None,
    ) -> OwnEntry:
        """Return an entry over content of which only the SHA-256 (32 bytes) is at hand."""
        form = self.form(media_type, external_ids, links, signer)
        return self.core.make_of_digest(chain_id, digest, form, sent)

    def form(
        self,
        media_type: str = "",
        external_ids: Names = (),
        links: Sequence[Link] = (),
        signer: Signatory | None = None,
        encrypt_for: Sequence[str] = (),
    ) -> Form:
        """Return what entries have besides their content."""
        key, identity = (None, None) if signer is None else (signer.key, signer.identity)
        ids, readers = self.core.ids_of(external_ids), tuple(map(public_key_of, encrypt_for))
        return Form(media_type, ids, tuple(links), author=key, identity=identity, readers=readers)

    def _headers_of(self, call: Call) -> list[tuple[str, str]]:
        return [*call.headers, *(() if call.is_public else self._authorization)]

    def _body_of(self, call: Call) -> Body:
        """Return what takes the answer's body, from now on."""
        return Body(call.most_bytes, self._timeouts.answer_s, self.core.settings.monotonic_s)
