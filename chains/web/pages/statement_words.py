"""What a statement of an identity says, in words, for the page of its entry.

Pure. Bytes come from extension 6 (``anchor.proof.identity``). Whether a statement is in force, its page does not say.
"""

from anchor.proof.errors import MalformedError
from anchor.proof.identity import Operation, Statement
from anchor.proof.identity_history import ENDINGS


def statement_in_words(value: bytes) -> str:
    """Return what a statement says, or its bytes in hex where this version cannot read it."""
    try:
        statement = Statement.decode(value)
    except MalformedError:
        return value.hex()
    return _WORDS[statement.operation](statement)


def _keys(statement: Statement) -> str:
    assert statement.key_set is not None
    return ", ".join(key.public_key.hex() for key in statement.key_set.keys)


def _new(statement: Statement) -> str:
    assert statement.key is not None
    return statement.key.public_key.hex()


def _why(statement: Statement) -> str:
    return ENDINGS[statement.ending]


_WORDS = {
    Operation.BEGIN: lambda said: f"Begins the identity with the keys {_keys(said)}",
    Operation.ADD: lambda said: f"Registers the key {_new(said)}",
    Operation.ROTATE: lambda said: f"Puts the key {_new(said)} in the place of {said.about.hex()}, {_why(said)}",
    Operation.REVOKE: lambda said: f"Ends the key {said.about.hex()}, {_why(said)}",
    Operation.RECOVER: lambda said: f"Ends all keys, {_why(said)}, and registers {_keys(said)}",
    Operation.ANNOUNCE: lambda said: f"The log announces that {_keys(said)} will replace all keys, {_why(said)}",
    Operation.OBJECT: lambda said: f"Objects to the announced recovery {said.about.hex()}",
    Operation.COMPLETE: lambda said: f"Completes the announced recovery {said.about.hex()}",
    Operation.BIND: lambda said: f"Binds the certificate with SHA-256 {said.about.hex()} to the identity",
    Operation.UNBIND: lambda said: f"Unbinds the certificate with SHA-256 {said.about.hex()}, {_why(said)}",
}
