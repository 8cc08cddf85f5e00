"""A time-stamping authority over real HTTP for tests: answers come from ``openssl ts``, or from the simulator.

``Authority.url`` is asked by the code under test; ``reply`` makes each answer from the question and can be exchanged
for one that fails. ``OpensslAuthority`` is a third party's: keys, certificates and tokens are all made by openssl.
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from anchor import der
from tests.simulators.listening import Quiet, listening
from tests.simulators.timestamp_authority import Certified, Stamped, answer, stamp

CONFIG = """
[tsa]
default_tsa = here
[here]
serial = serial
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1, millisecs:500
ess_cert_id_alg = sha256
signer_digest = sha256
"""
EXTENSIONS = "extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n"


@dataclass
class Authority:
    """The server: how it answers (status, type, body for a question's bytes), and the questions so far."""

    reply: Callable[[bytes], bytes]
    status: int = 200
    kind: str = "application/timestamp-reply"
    questions: list[bytes] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(reply: Callable[[bytes], bytes]) -> Iterator[Authority]:
    """Run an authority on a free port of this machine."""
    authority = Authority(reply)

    class Answering(Quiet):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            assert "application/timestamp-query" == self.headers["Content-Type"]
            authority.questions.append(query)
            body = authority.reply(query)
            self.send_response(authority.status)
            self.send_header("Content-Type", authority.kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:  # the client had enough
                self.close_connection = True

    with listening(Answering) as address:
        authority.url = f"{address}/tsa"
        yield authority


def question_of(query: bytes) -> tuple[bytes, int]:
    """Return imprint and nonce of a question (TimeStampReq)."""
    _, imprint, nonce, _ = der.read(query).items()
    return imprint.items()[1].content, int.from_bytes(nonce.content, "big")


def simulated(signer: Certified) -> Callable[[bytes], bytes]:
    """Return a reply that stamps whatever is asked."""

    def reply(query: bytes) -> bytes:
        imprint, nonce = question_of(query)
        return answer(stamp(signer, Stamped(imprint, nonce=nonce)))

    return reply


class OpensslAuthority:
    """An authority whose keys (of kind ``key``), certificates and answers are openssl's, in a folder of its own."""

    def __init__(self, folder: Path, key: str = "ec -pkeyopt ec_paramgen_curve:P-256") -> None:
        folder.mkdir()
        self.folder = folder
        (folder / "tsa.cnf").write_text(CONFIG)
        (folder / "extensions").write_text(EXTENSIONS)
        new_key = f"-newkey {key} -nodes"
        self.run(f"req -x509 {new_key} -keyout ca.key -out ca.pem -days 30 -subj /O=Openssl/CN=Root")
        self.run(f"req {new_key} -keyout tsa.key -out tsa.csr -subj /O=Openssl/CN=Stamps")
        self.run("x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out tsa.pem -extfile extensions")

    @property
    def root(self) -> Path:
        return self.folder / "ca.pem"

    def run(self, arguments: str) -> str:
        """Run openssl in the folder; what it prints."""
        done = subprocess.run(
            ["openssl", *arguments.split()], cwd=self.folder, capture_output=True, check=False, text=True
        )
        assert 0 == done.returncode, done.stderr
        return done.stdout + done.stderr

    def reply(self, query: bytes) -> bytes:
        (self.folder / "query").write_bytes(query)
        self.run("ts -reply -config tsa.cnf -queryfile query -signer tsa.pem -inkey tsa.key -out answer")
        return (self.folder / "answer").read_bytes()
