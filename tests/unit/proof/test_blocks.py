"""Tests of ``anchor.proof.blocks``: blocks that a verifier names, and files of headers.

Input is the regtest chain of ``tests/simulators/world.py`` and the first headers of mainnet. ``verify`` believes
what these views answer, so they must not answer what nobody said.
"""

from dataclasses import replace

import pytest

from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.networks import NETWORKS
from anchor.proof.blocks import GivenBlock, HeaderChain, KnownBlock, check_network_name, encode_headers
from anchor.proof.errors import MalformedError, Reason, TooLargeError, VerificationError
from tests.simulators.world import World, mine_header
from tests.vectors.make_bitcoin_vectors import MAINNET_GENESIS

HASH = "00" * 31 + "01"


def chain_of(length: int) -> World:
    world = World()
    for _ in range(length):
        world.mine()
    return world


def test_a_given_block_is_read_as_it_is_typed() -> None:
    """Network, height and hash as explorers show it; the verifier's word has no number of confirmations."""
    given = GivenBlock.decode(f"regtest:8:{HASH}")
    assert GivenBlock("regtest", 8, b"\x01" + bytes(31)) == given
    assert KnownBlock(b"\x01" + bytes(31), None) == given.at(8)
    assert given.at(7) is None
    assert given.believed == "you (the given block)"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "regtest",
        "regtest:8",
        f"8:{HASH}",
        f"mars:8:{HASH}",
        f"Regtest:8:{HASH}",
        f"regtest::{HASH}",
        f"regtest:-1:{HASH}",
        f"regtest:8.0:{HASH}",
        f"regtest:\u0668:{HASH}",
        f"regtest:1234567890:{HASH}",
        f"regtest:8:{HASH[2:]}",
        f"regtest:8:{HASH}00",
        f"regtest:8:{'AB' * 32}",
        f"regtest:8:{HASH}:9",
        f"regtest:8: {HASH}",
        f"regtest:8:{HASH}\n",
    ],
)
def test_a_given_block_of_another_form_is_malformed(text: str) -> None:
    """Nothing is guessed from what a verifier types."""
    with pytest.raises(MalformedError):
        GivenBlock.decode(text)


def test_a_headers_file_knows_its_blocks_and_their_depth() -> None:
    """Each header counts as one confirmation of those before it, from 1, and as two hashes of work on regtest."""
    world = chain_of(10)
    chain = HeaderChain.decode(encode_headers("regtest", 1, world.headers))
    assert chain.at(0) is None
    assert chain.at(11) is None
    for height in range(1, 11):
        assert KnownBlock(world.blocks[height - 1].header.hash, 11 - height, 2 * (11 - height)) == chain.at(height)
    assert chain.network == "regtest"


def test_a_headers_file_may_begin_anywhere() -> None:
    """The first height is whatever the file says: who gave it, is believed for that."""
    world = chain_of(4)
    chain = HeaderChain.decode(encode_headers("regtest", 700_003, world.headers[2:]))
    assert KnownBlock(world.blocks[2].header.hash, 2, 4) == chain.at(700_003)


def test_a_headers_file_that_begins_at_0_begins_with_the_genesis_block() -> None:
    """Block 0 of mainnet is taken for mainnet; for testnet3 it is another network's."""
    assert HeaderChain.decode(encode_headers("mainnet", 0, [MAINNET_GENESIS])).at(0) is not None
    with pytest.raises(VerificationError) as caught:
        HeaderChain.decode(encode_headers("testnet3", 0, [MAINNET_GENESIS]))
    assert caught.value.reason == Reason.WRONG_NETWORK


def test_an_empty_headers_file_knows_nothing() -> None:
    """A first line alone is well formed."""
    assert HeaderChain.decode(b"regtest 5\n").at(5) is None
    assert HeaderChain.decode(b"regtest 0\n").at(0) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"regtest\n",
        b"regtest 1",
        b"regtest 01\n",
        b"regtest -1\n",
        b"regtest 1 \n",
        b"regtest  1\n",
        b"mars 1\n",
        b"regtest 1\n\n",
        b"regtest 1\r\n",
        b"\xef\xbb\xbfregtest 1\n",
        b"regtest 1\n" + b"0" * 159 + b"\n",
        b"regtest 1\n" + b"0" * 161 + b"\n",
        b"regtest 1\n" + b"A" * 160 + b"\n",
        b"regtest 1\n" + b"\xb2" * 160 + b"\n",
    ],
)
def test_a_headers_file_of_another_form_is_malformed(data: bytes) -> None:
    """Lines, digits and the final newline have one form."""
    with pytest.raises(MalformedError):
        HeaderChain.decode(data)


def refused_for(headers: list[bytes], network: str = "regtest") -> Reason:
    with pytest.raises(VerificationError) as caught:
        HeaderChain.decode(encode_headers(network, 1, headers))
    return caught.value.reason


def test_headers_must_be_linked() -> None:
    """A header missing, doubled, or in another order breaks the chain, though each has its work."""
    headers = chain_of(4).headers
    assert refused_for([headers[0], headers[2], headers[3]]) == Reason.NOT_ON_BEST_CHAIN
    assert refused_for([headers[0], headers[0]]) == Reason.NOT_ON_BEST_CHAIN
    assert refused_for(headers[::-1]) == Reason.NOT_ON_BEST_CHAIN


def test_headers_must_have_their_work() -> None:
    """A header whose hash is above its target is refused, and so is a target above the network's limit."""
    headers = chain_of(2).headers
    last = Header.decode(headers[1])
    nonces = (replace(last, nonce=nonce) for nonce in range(1000))
    idle = next(header for header in nonces if int.from_bytes(header.hash, "little") >> 255)
    assert refused_for([headers[0], idle.encode()]) == Reason.WORK_MISSING
    assert refused_for(headers, "mainnet") == Reason.TARGET_ABOVE_LIMIT
    assert refused_for([replace(last, bits=0).encode()]) == Reason.TARGET_INVALID


def test_a_headers_file_has_a_largest_size() -> None:
    """200 MiB are refused by their length."""
    with pytest.raises(TooLargeError, match="headers file: expected at most 209715200 bytes"):
        HeaderChain.decode(bytes(200 * 2**20 + 1))


def test_networks_are_known_by_name() -> None:
    """An unknown name is answered with the known ones."""
    assert NETWORKS["signet"] == check_network_name("signet")
    with pytest.raises(MalformedError, match="mainnet, testnet3, testnet4, signet, regtest, got 'main'"):
        check_network_name("main")


def test_the_given_block_names_the_world_s_block() -> None:
    """What the world hands a verifier is the hash of its own header."""
    world = chain_of(3)
    header = mine_header(
        world.blocks[0].header.hash, world.blocks[1].header.merkle_root, world.now_ms // 1000, "regtest"
    )
    assert world.blocks[1].header == header
    assert hash_hex(header.hash) == hash_hex(world.given_block(2).hash)
