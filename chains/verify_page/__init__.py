# SPDX-License-Identifier: Apache-2.0
"""``verify.html``: the verifier as one file for a browser, joined from the modules and the template in this folder.

Input is these files only. The command ``verify-page``, the service at ``/verify``, exports and mirrors write or serve
what ``page`` returns.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

FILE_NAME = "verify.html"
# In the order in which they are joined: what a module uses while it is loaded stands before it.
MODULES = (
    "texts",
    "errors",
    "bytes",
    "sha256",
    "ed25519",
    "strictjson",
    "merkle",
    "entry",
    "leaves",
    "note",
    "promise",
    "bitcoin",
    "bitcoin_anchor",
    "networks",
    "opentimestamps",
    "blocks",
    "receipt",
    "attached",
    "heads",
    "identity",
    "identity_history",
    "announcements",
    "identity_evidence",
    "expected_author",
    "steps",
    "breach",
    "dispute",
    "files",
    "manifest",
    "manifest_proof",
    "manifest_rows",
    "manifest_list",
    "row_changes",
    "comparing",
    "manifest_judging",
    "disclosure",
    "steps_anchor",
    "der",
    "certificates",
    "timestamps",
    "steps_timestamp",
    "later_entries",
    "corrections",
    "co_signatures",
    "revocations",
    "bindings",
    "erasures",
    "chain_life",
    "log_statements",
    "policy",
    "policy_evidence",
    "policy_judging",
    "diagnosis",
    "verdict",
    "head_proof",
    "ots_verdict",
    "wording",
    "explorers",
    "showing",
    "scrypt",
    "hpke",
    "envelope",
    "reader_key",
    "opening",
    "page",
)
_LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"
_IMPORT = re.compile(r'^import \{ ([^}]*) \} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORTED = re.compile(r"^export (?:async )?(?:function\*?|class|const) (\w+)", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b)", re.MULTILINE)
_DECLARED = re.compile(r"^(?:export )?(?:async )?(?:function\*?|class|const|let) (\w+|\[[^\]]*\])", re.MULTILINE)
_PLACES = re.compile("@(POLICY|STYLE|SCRIPT)@")
# The page reaches explorers over https, or programs of this machine, and only from where the visitor consents.
_CONNECT = "https: http://localhost:* http://127.0.0.1:*"


class BuildError(Exception):
    """The modules do not fit together; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Page:
    """The whole file, and the Content-Security-Policy that it names itself."""

    html: bytes
    policy: str

    @property
    def sha256(self) -> str:
        """The file's SHA-256 in hex, by which a copy can be compared with what was released."""
        return hashlib.sha256(self.html).hexdigest()


@cache
def page() -> Page:
    """Return the page; the same sources always give the same bytes."""
    folder = files(__name__)
    script = join({name: (folder / "js" / f"{name}.js").read_text("utf-8") for name in MODULES})
    style = (folder / "style.css").read_text("utf-8")
    policy = (
        f"default-src 'none'; script-src {_hash_source(script)}; style-src {_hash_source(style)}; "
        f"connect-src {_CONNECT}; base-uri 'none'; form-action 'none'"
    )
    parts = {"POLICY": policy, "STYLE": style, "SCRIPT": script}
    template = (folder / "page.html").read_text("utf-8")
    html = _PLACES.sub(lambda place: parts[place[1]], template)
    return Page(html.encode(), policy)


def join(modules: dict[str, str]) -> str:
    """Return the modules as one script in strict mode; each declares its names once, and imports what is before it.

    Raises BuildError for a name that two modules declare, for an import of what no earlier module exports, or of a form
    that is not understood, and for text that would end the script element.
    """
    declared: dict[str, str] = {}
    exported: dict[str, list[str]] = {}
    parts = ['"use strict";\n']
    for name, source in modules.items():
        _check_imports(name, source, exported)
        exported[name] = _EXPORTED.findall(source)
        for declaration in _DECLARED.findall(source):
            if declaration in declared:
                raise BuildError(f"{name}.js: {declaration} is declared in {declared[declaration]}.js already")
            declared[declaration] = name
        body = _EXPORT.sub("", _IMPORT.sub("", source.removeprefix(_LICENCE)))
        if re.search(r"^(?:import|export)\b", body, re.MULTILINE) or re.search(r"</script|<!--", body, re.IGNORECASE):
            raise BuildError(f"{name}.js: expected plain imports and exports, each on one line, and no end of a script")
        parts.append(f"\n// --- {name}.js\n{body}")
    return "".join(parts)


def _check_imports(name: str, source: str, exported: dict[str, list[str]]) -> None:
    """Refuse an import of what no module before it exports: joined, it might find another name by chance."""
    for names, module in _IMPORT.findall(source):
        lacking = [each for each in names.split(", ") if each not in exported.get(module, ())]
        if lacking:
            raise BuildError(f"{name}.js: {module}.js does not export {', '.join(lacking)}, or stands behind it")


def _hash_source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
