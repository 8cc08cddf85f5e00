"""``recover thread``: the whole way on the embedded regtest, and what is refused on it."""

import json
from pathlib import Path

from anchor.proof.receipt import LogCard
from anchor.signing import SigningKey
from tests.cli.commands import World

DEEP = "101"


def key_of(world: World) -> Path:
    return world.home / "keys" / "recovery.pem"


def begin(world: World) -> str:
    """Begin with a new wallet; return its address."""
    address: str = world.ok("recover", "thread", "--new-wallet", "--json").facts["address"]
    return address


def test_the_way_from_a_lost_key_to_a_receipt(world: World) -> None:
    """Begun, paid, signed, sealed, anchored: the card lists both threads, and an entry of meanwhile verifies."""
    old = world.ok("wallet", "address", "--json").facts["address"]
    before = LogCard.decode(world.card.read_bytes()).thread
    begun = world.ok("recover", "thread", "--new-wallet", "--json").facts
    assert (False, True, None) == (begun["signed"], begun["new_wallet"], begun["outpoint"])
    assert old != begun["address"] == world.ok("wallet", "address", "--json").facts["address"]
    assert (world.home / "keys" / f"wallet-{old}.json").is_file()
    world.ok("add", "acme", "-", stdin=b"meanwhile")
    assert world.ok("seal", "--json").facts["sealed"]
    alerts = [alert["name"] for alert in world.ok("status", "--json").facts["alerts"]]
    assert ["thread-lost"] == alerts
    world.ok("tick", "--mine", DEEP)
    signed = world.ok("recover", "thread", "--recovery-key", key_of(world), "--json").facts
    assert (True, begun["address"]) == (signed["signed"], signed["address"])
    assert signed["confirmations"] > signed["needed"]
    world.ok("seal")
    assert "send" == world.ok("tick", "--json").facts["did"]
    world.ok("tick", "--mine", "6")
    after = LogCard.decode(world.card.read_bytes()).thread
    assert before is not None
    assert after is not None
    assert (*before, signed["outpoint"]) == (*after[:-1], str(after[-1]))
    world.ok("receipt", "acme:303", "--output", world.folder / "meanwhile.receipt")
    (world.folder / "meanwhile").write_bytes(b"meanwhile")
    world.ok("headers", "export", world.headers)
    verified = ("verify", world.folder / "meanwhile", world.folder / "meanwhile.receipt", "--log", world.card)
    assert "INTACT" in world.ok(*verified, "--headers", world.headers).text
    assert "all hold" in world.ok("audit").text
    assert [] == world.ok("status", "--json").facts["alerts"]


def test_the_steps_are_told_to_people(world: World) -> None:
    """Without --json the text says what to do next; repeating a step repeats what it said."""
    first = world.ok("recover", "thread", "--new-wallet").text
    assert "Pay this address: bcrt1" in first
    assert "run: anchorline recover thread --recovery-key FILE" in first
    assert first == world.ok("recover", "thread").text == world.ok("recover", "thread", "--new-wallet").text
    world.ok("tick", "--mine", "1")
    signed = world.ok("recover", "thread", "--recovery-key", key_of(world)).text
    assert "Its coin has 1 confirmation and needs 100." in signed
    assert signed == world.ok("recover", "thread", "--recovery-key", key_of(world)).text


def test_the_key_may_be_given_at_once(world: World) -> None:
    """On the first run it is only looked at: nothing can be signed before there is a coin."""
    facts = world.ok("recover", "thread", "--new-wallet", "--recovery-key", key_of(world), "--json").facts
    assert not facts["signed"]
    done = world.run("recover", "thread", "--recovery-key", key_of(world))
    assert 1 == done.exit_code
    assert f"expected a payment to {facts['address']} in a block" in done.err


def test_a_thread_that_is_not_lost_is_left_alone(world: World) -> None:
    """Without a theft and without --new-wallet there is no reason."""
    done = world.run("recover", "thread")
    assert 1 == done.exit_code
    assert "the thread is not lost" in done.err
    assert [] == world.ok("status", "--json").facts["alerts"]


def test_a_key_that_is_not_there_or_not_the_right_one(world: World) -> None:
    """Looked at before anything is changed."""
    before = (world.home / "keys" / "wallet.json").read_bytes()
    other = world.folder / "other.pem"
    SigningKey.generate().save(other)
    (world.folder / "text.pem").write_text("no key")
    (world.folder / "text.pem").chmod(0o600)
    for path, said in (
        (world.folder / "none.pem", "no such key file"),
        (world.home / "keys" / "checkpoint.pem", "expected this log's recovery key"),
        (other, "expected this log's recovery key"),
        (world.folder / "text.pem", "expected an Ed25519 private key, PKCS #8 or OpenSSH, in PEM"),
    ):
        done = world.run("recover", "thread", "--new-wallet", "--recovery-key", path)
        assert (1, b"") == (done.exit_code, done.out)
        assert said in done.err
    assert before == (world.home / "keys" / "wallet.json").read_bytes()


def test_an_encrypted_recovery_key_wants_its_password(world: World) -> None:
    """The password comes from a file; a wrong one, and none at all, are told apart."""
    encrypted = world.folder / "kept.pem"
    SigningKey.load(key_of(world)).save(encrypted, "correct horse battery")
    key_of(world).unlink()
    begin(world)
    world.ok("tick", "--mine", "1")
    password = world.folder / "password"
    with_password = ("recover", "thread", "--recovery-key", encrypted, "--recovery-password-file", password)
    done = world.run("recover", "thread", "--recovery-key", encrypted)
    assert (1, True) == (done.exit_code, "password" in done.err)
    password.write_text("another horse battery\n")
    password.chmod(0o600)
    done = world.run(*with_password)
    assert (1, True) == (done.exit_code, "the password does not open it" in done.err)
    password.write_text("correct horse battery\n")
    assert world.ok(*with_password, "--json").facts["signed"]


def test_words_of_the_new_wallet_go_to_a_file(world: World) -> None:
    """--mnemonic-file writes the new wallet's words, from which the same address is made again."""
    words = world.folder / "words"
    facts = world.ok("recover", "thread", "--new-wallet", "--mnemonic-file", words, "--json").facts
    assert 24 == len(words.read_text().split())
    home = world.folder / "restored"
    made = world.ok(
        "init", "--home", home, "--embedded", "--origin", "x", "--restore", "--mnemonic-file", words, "--json"
    )
    assert facts["address"] == json.loads(made.out)["address"]


def test_options_that_belong_to_a_new_wallet(world: World) -> None:
    """Without --new-wallet they make no sense, and a descriptor needs a signer elsewhere."""
    for options in (("--descriptor", "wpkh(x)"), ("--no-password",), ("--mnemonic-file", "words")):
        assert 2 == world.run("recover", "thread", *options).exit_code
    done = world.run("recover", "thread", "--new-wallet", "--descriptor", "wpkh(x)")
    assert (2, True) == (done.exit_code, "signer" in done.err)
