// SPDX-License-Identifier: Apache-2.0
// Every text that a visitor can meet, in one table: translate this file and the page speaks another language. The texts
// of steps are word for word those of `anchorline verify`, so that both say the same of a receipt.
// {name} stands for a value; {name!r} for one from a stranger, in quotes and with invisible characters made visible.

export const TEXTS = {
  // Names of steps
  "step.1": "entry",
  "step.2": "content",
  "step.3": "author",
  "step.4": "chain path",
  "step.5": "keys and note",
  "step.6": "directory paths",
  "step.7": "seal and first head",
  "step.8": "log",
  "step.9": "promise",
  "step.10": "payload",
  "step.11": "transaction, branch, coinbase",
  "step.12": "header, work, block",
  "step.13": "thread",
  "step.14": "time stamp",
  "step.15": "calendar attestation",
  "step.16": "corrections",

  // Whose word a step rests on
  "rests.arithmetic": "arithmetic",
  "rests.nobody": "nobody",
  "rests.log": "the log's own statement",
  "rests.card": "you (the log card)",
  "rests.keys": "the log's signature; that all key changes are shown, is the auditor's check",
  "rests.identity": "the log's signature; that its seals name the newest heads, is the auditor's check",
  "rests.corrections":
    "the log, which let its author write into this chain; that no other correction was left out, nobody says",
  "rests.first-head": "{believed}; that no head lies between this one and the one before, is the auditor's check",
  "believed.block": "you (the given block)",
  "believed.headers": "the headers file (its links and proof of work were checked, its difficulty was not)",
  "believed.explorers": "the explorers {names}, which agree",

  // The steps
  "absent.seal": "not sealed yet",
  "absent.anchor": "not anchored yet",
  "1.ok": "entry {entry} of chain {chain}",
  "1.another-log": "the entry is meant for log {wanted} only, not {log}",
  "1.extension": "extension 0x{type} is unknown: this version cannot verify the entry",
  "entry.chain-id": "the external ids of the first entry do not give the chain id {chain}",
  "2.file-ok": "the file is what was recorded, SHA-256 {digest}",
  "2.inside-ok": "the content in the receipt is what was recorded, SHA-256 {digest}",
  "2.no-file": "content not compared: neither a file nor content in the receipt",
  "2.withheld": "content not compared: it is withheld",
  "2.erased": "content not compared: it is erased (the service's claim)",
  "2.commitment": "salt and digest in the receipt do not give the entry's content commitment",
  "2.inside-changed": "the content inside the receipt is not what was recorded",
  "2.file-changed": "the {what} is not what was recorded: expected SHA-256 {digest}, found {found}",
  "2.folder-ok": "the {what} is what was recorded: {files}, {size} bytes, by its manifest",
  "2.folder-changed": "the {what} is not what was recorded: {summary}",
  "2.folder-part":
    "{same} of the manifest's {files} are what was recorded; of the other {unseen} nothing is said: they were not brought, or a browser does not show them (symbolic links, empty folders); `anchorline verify` compares them all",
  "2.unplaced": "content not compared: {names} is listed in more than one folder; bring the whole folder",
  "2.stopped": "content not compared: you stopped it",
  "2.rows-ok": "{rows} of {path} as recorded; nothing is said of the others",
  "2.proof-ok": "the file is what was recorded as {path}, {kind} of {size} bytes, SHA-256 {digest}",
  "2.proof-no-file":
    "content not compared: no file at hand; the proof is of {path}, {kind} of {size} bytes, SHA-256 {digest}",
  "3.ok": "signed by key {key}; whose key it is, is not said here",
  "3.unsigned": "the entry is not signed: nothing is said about who wrote it",
  "3.unknown": "signature not checked: author type {type} is unknown",
  "3.wrong": "the signature is not one by key {key} over this entry",
  "3.not-shown": "signed by key {key}; whether it was a key of identity {identity} then, is not shown",
  "3.newer":
    "signed by key {key}; a newer Anchorline wrote the history of identity {identity}: this one cannot judge it",
  "3.of-identity": "signed by key {key}, a key of identity {identity}{names} since seal {since}{end}",
  "3.in-words": "{text}",
  "3.names": ", which calls itself {names} (not checked here),",
  "3.ended-later": "; it ended later, in seal {seal}, {ending}",
  "3.not-of": "the signature holds, and key {key} was not valid there: it is no key of identity {identity}",
  "3.not-yet":
    "the signature holds, and key {key} was not valid there: it was registered in seal {seal}, and counts in later ones only",
  "3.ended": "the signature holds, and key {key} was not valid there: it ended in seal {seal}, {ending}",
  "3.too-old": "the signature holds, and key {key} was not valid there: it was valid until {time} at the latest",
  "3.not-for-entries":
    "the signature holds, and key {key} was not valid there: it may change keys of the identity, and not sign entries",
  "3.no-identity": "chain {chain} does not begin as an identity of this log",
  "3.twice": "the history of the author's keys: it is shown {count} times",
  "3.no-head": "the history of the author's keys: no head of the identity's chain is shown",
  "3.head-of-another":
    "the history of the author's keys: a head of chain {found} is shown, expected one of {identity}",
  "3.head-order":
    "the history of the author's keys: the head at {index} does not follow the one that is shown before it",
  "3.head-seal": "the history of the author's keys: the head at {head} is none of those of the seal at {seal}",
  "3.entries": "the history of the author's keys: the newest head has {size} entries, {found} are shown",
  "3.entries-root":
    "the history of the author's keys: the entries that are shown do not give the root of the head at {index}",
  "3.directory": "the history of the author's keys: a head or a seal that is shown is not under the checkpoint",
  "3.newest-seal":
    "the history of the author's keys: the seal at {seal} is not the last leaf under the checkpoint of {size}",
  "3.newest":
    "the history of the author's keys: the last head that is shown is not the newest one under the checkpoint",
  "ending.0": "for a reason that is not said",
  "ending.1": "because it was replaced",
  "ending.2": "because it was no longer used",
  "ending.3": "because it was lost",
  "ending.4": "because it was stolen",
  "4.ok": "entry {index} of the chain's {size} at its first head",
  "merkle.long": "a path has at most {limit} hashes, this one has {found}",
  "merkle.hash": "a hash has 32 bytes, this one has {found}",
  "merkle.outside": "leaf index {index} is outside a tree of {size} leaves",
  "merkle.length": "a path for leaf {index} of {size} has {expected} hashes, this one has {found}",
  "merkle.root": "the path from leaf {index} does not lead to the root of the tree of {size} leaves",
  "5.ok": "checkpoint of {size} leaves signed by {origin}{changes}",
  "5.changes": " after {count} changes of keys",
  "5.origin": "the checkpoint is by {found!r}, the log leaf says {log!r}",
  "5.replaced": "a key leaf replaces {found}, which did not give the key",
  "5.key-signature": "a key leaf is not signed by the old key or the recovery key",
  "5.key-order": "key leaves are not in ascending order: {indexes}",
  "5.note": "the checkpoint is not signed by the log's checkpoint key (id {id})",
  "6.ok": "{count} leaves of the directory are under the checkpoint's root",
  "7.ok": "sealed as number {number}, after block {height} {block}, {word}",
  "7.log-says": "as the log says",
  "7.confirmed": "which {believed} confirms",
  "7.another-block": "as the log says, but {believed} has {found} there: since when, is not known",
  "7.seal": "the seal at {seal} holds the {count} heads before it, not the one at {head}",
  "7.head": "the head is of chain {chain}, the entry of another",
  "7.pointer": "the head points to another previous head than the one shown",
  "7.previous": "the previous head is of another chain, or not before the head",
  "7.not-added": "entry {index} is not among those that this head added: {from} to {to}",
  "8.ok": "log {log} is the one on your card",
  "8.not-identified": "the log is not identified{waived}: it calls itself {origin!r}",
  "8.waived": ", as you said (any log)",
  "8.another": "the receipt is of log {log}, your card is of log {card}",
  "9.ok": "{text}",
  "9.promised": "promised at {time}",
  "9.breach": "{text}; sealed {late} ms later than promised, which is a breach",
  "9.none": "the receipt carries no promise",
  "9.unknown-key": "the promise is by key {key}, which only a sealed receipt can show",
  "9.another-entry": "the promise is for another entry or another chain",
  "9.index": "promised at index {promised}, sealed at {sealed}: keep both as evidence",
  "promise.log": "the promise is by log {found}, not {log}",
  "promise.path": "the promise's path does not lead to its root",
  "promise.signature": "the promise is not signed by the log's promise key",
  "10.ok": "the transaction carries size {size} and root of the checkpoint",
  "10.absent": "{why}",
  "10.others": "no bitcoin anchor, only {others}, which this version does not check",
  "10.attested-only": "the log's own anchor is not in the receipt, only a calendar's attestation",
  "10.stamped-only": "not anchored in Bitcoin yet, only time-stamped",
  "10.not-anchored": "not anchored yet",
  "10.mismatch": "the transaction anchors a tree of {size} leaves with root {root}, which is not this checkpoint",
  "payload.missing": "expected output 1 to be 42 bytes that begin with {start}, found {outputs} outputs and there {found}",
  "payload.ambiguous": "expected a payload in output 1 only, found another in output {index}: this anchors nothing",
  "payload.size": "expected a tree size from 0 to {limit}, found {found}",
  "11.ok": "transaction {txid} is number {index} of the block",
  "branch.lengths":
    "expected branches of one length, since all transactions of a block are equally deep; found {path} and, for the coinbase, {coinbase}",
  "branch.root": "expected the branch to lead to the header's root {expected}, found {found}",
  "branch.long": "expected a branch of at most {limit} levels, found {found}",
  "branch.index": "expected an index below {most} for a branch of {levels} levels, found {found}",
  "branch.hash": "expected a hash of a branch of 32 bytes, found {found}",
  "branch.left": "expected a left sibling other than our node, found the same twice: {node}",
  "branch.right":
    "expected node {index} of a level to be paired with itself only where none follows it, found {node} beside {sibling}",
  "branch.inner": "expected two hashes, found a transaction: {pair}; nothing below it was ever mined",
  "transaction.64": "expected a {what} that cannot be taken for two hashes of a tree, found one of 64 bytes",
  "coinbase.malformed": "expected a coinbase: {error}",
  "coinbase.spends":
    "expected a coinbase, which has one input and spends nothing; found {inputs} inputs, the first of which spends {spent}",
  "coinbase.script": "expected a coinbase script of 2 to 100 bytes, found {found}",
  "coinbase.push": "expected a coinbase script that begins with the height (BIP 34), found {found}",
  "coinbase.height": "expected height {expected}, found that the block's coinbase says {found}",
  "12.where": "block {height} {block} of {network}",
  "12.ok": "{where}{depth}",
  "12.confirmations": ", {count} confirmations",
  "12.work": " with the work of about 2^{bits} hashes",
  "12.shallow": "{where}{depth}: not deep enough yet, {wanted} are wanted",
  "12.network": "the log's network (genesis {genesis}) is unknown to this version",
  "12.unasked": "{where}: the header has its work, but {why}",
  "12.nobody": "nobody was asked whether it is on the best chain",
  "12.not-reached": "nothing is known at its height: {views}",
  "12.another": "expected block {height} to be {known}, as {believed} says, found {found}",
  "12.another-network": "you gave a block of {given}; this receipt is of {network}",
  "work.zero": "expected a target above zero, found compact target {found}",
  "work.negative": "expected a positive target, found compact target {found}",
  "work.overflow": "expected a target of 256 bits, found compact target {found}",
  "work.limit": "expected a target of at most {limit} on this network, found {found}",
  "work.missing": "expected a block hash of at most {target}, found {hash}; nobody did the work for this header",
  "13.ok": "the first transaction of the thread, which starts{again} at {outpoint}",
  "13.again": " again",
  "13.not-first":
    "the thread is not checked here: whether this transaction is on the log's one line is the auditor's check",
  "13.none": "an anchored checkpoint covers the leaf that names its thread, and none is shown",
  "13.not-on-card":
    "the thread starts at {outpoint}, which is not on your log card; if the card is older than this thread, ask for the newest one",
  "13.order":
    "the thread that starts at {outpoint} is number {number} on your log card, and its leaf replaces {replaced}, which is not the leaf of the thread before it",
  "13.unsigned": "the thread that starts at {outpoint} is not signed by the recovery key",
  "14.not-checked": "time stamp not checked: no certificate of a time-stamping authority was given",
  "14.ok": "{stamps}{others}",
  "14.stamped": "the checkpoint was time-stamped by {authority} at {time}, {accuracy}",
  "14.accuracy": "give or take {seconds} s",
  "14.no-accuracy": "accuracy not stated",
  "14.believed":
    "the authority's clock and key, and on {roots}, which you trust; a key that was stolen can put any time into a time stamp, and whether a certificate was revoked is not checked",
  "14.not-vouched":
    "time stamp not checked: none of the certificates that you trust vouches for {names}",
  "14.unknown-algorithm":
    "time stamp not checked: {names} signs by an algorithm that this page does not know; `anchorline verify --tsa-certificate` may",
  "14.another": "the time stamp is over {found}, not over this checkpoint (SHA-256 {imprint})",
  "14.certificate": "the time stamp does not hold: {cause}",
  "14.no-signer": "its signed attributes name no certificate that it carries (ESSCertID, RFC 5816)",
  "14.no-usage": "its certificate is not one of a time-stamping authority (no extended key usage)",
  "14.other-usage": "its certificate is not for time stamping alone (extended key usage, critical)",
  "14.not-valid": "its certificates were not valid at the time that it says, {time}",
  "14.signature": "the time stamp's signature does not hold, or its certificates do not: the signature is not the signer's",
  "14.way":
    "the time stamp's signature does not hold, or its certificates do not: no way of certificates that may issue others leads to a root",
  "14.form": "time stamp: expected CMS signed data over a TSTInfo",
  "14.certificates": "time stamp: expected at most {limit} certificates",
  "14.signers": "time stamp: expected one signer, found {found} (RFC 3161 section 2.4.2)",
  "14.attributes": "time stamp: expected signed attributes, each once, that name a TSTInfo",
  "14.digest": "time stamp: the digest {found} is unknown",
  "15.ok": "the checkpoint is attested by {blocks}, through an OpenTimestamps calendar{others}",
  "15.other-fails": "; another one does not hold",
  "15.not-checked": "calendar's attestation not checked: {why}",
  "15.network": "network {network!r} is unknown to this version",
  "15.where": "block {height} of {network}",
  "15.no-header": "{where} is said to attest the checkpoint, and its header is not in the receipt",
  "15.unasked": "{where}: the header attests the checkpoint and has its work, but nobody was asked whether it is on the best chain",
  "15.another": "expected {where} to be {known}, found {found}",
  "15.shallow": "{name}: not deep enough yet, {wanted} are wanted",
  "15.one-attestation": "expected a .ots file with one attestation, found {found}",
  "15.over": "the .ots file is over {found}, expected the checkpoint's imprint {imprint}",
  "15.not-bitcoin": "expected a .ots file that ends in a Bitcoin attestation, found one that is {found}",
  "15.root-size": "expected operations that end in a Merkle root of 32 bytes, found {found} bytes",
  "15.header": "the .ots file leads to the Merkle root {root}, {where} as shown has {found} (internal order)",
  "16.ok": "{text}",
  "16.superseded": "{what}superseded by entry {index} of the chain, {entry}, {signed}",
  "16.retracted": "{what}retracted by entry {index} of the chain, {entry}, {signed}",
  "16.of-entry": "entry {entry} ",
  "16.signed": "signed by key {key}",
  "16.unsigned": "unsigned",
  "16.newer": "corrections not checked: an entry that is shown was written by a newer Anchorline",
  "16.chain": "corrections: an entry or a head of chain {found} is shown, expected chain {chain}",
  "16.nothing": "corrections: entry {entry} supersedes and retracts nothing that the receipt shows before it",
  "16.not-later": "corrections: entry {entry} at {index} is not later than what it corrects",
  "16.signature": "corrections: the signature of entry {entry} does not hold",

  // What keeps a verdict from being intact
  // What a verdict comes to: the sentences of anchor/proof/findings.py
  "finding.wrong-network":
    "This receipt and what you trust are of different Bitcoin networks, or its log was relabelled as one of another network: it proves nothing on the network that you mean.",
  "finding.another-log": "This is not a receipt of the log that is meant.",
  "finding.log-signature-wrong":
    "The log did not sign this checkpoint: it was altered, or somebody else made it, or the keys that are shown are not the log's.",
  "finding.chain-not-in-directory":
    "The log's directory does not hold what the receipt shows of it: the head of the chain, or another leaf, was altered, or never was there.",
  "finding.entry-altered":
    "The entry is not the one that was recorded: more than one thing that was made over it does not fit it, so it was altered afterwards.",
  "finding.entry-of-another-chain": "The entry is shown in a chain that is not its own.",
  "finding.not-in-chain":
    "The entry is not in the chain at the place where the receipt says it is: the entry, its place or its path was altered.",
  "finding.seal-wrong":
    "The head that is shown is not the first that holds the entry, or not one of the seal that is shown: after which block the entry was sealed, is not proved.",
  "finding.digest-altered":
    "The salt or the digest in the receipt was altered: the entry was made over something else, so this receipt vouches for no file.",
  "finding.signature-wrong":
    "The author's signature is not one over this entry: the holder of that key did not sign it, or the signature was altered before it was recorded.",
  "finding.author-key-history-wrong":
    "The history of the author's keys that the receipt shows is not the one that the log holds, or not whole: whether his key was valid, is not proved.",
  "finding.promise-wrong": "The promise in the receipt is not the log's, or it is for another entry or another place.",
  "finding.content-changed": "The content is not what was recorded: it was changed, or it is something else.",
  "finding.block-invalid": "The block's header has not the work that it must have: it was altered, or made up.",
  "finding.block-not-on-best-chain":
    "The receipt's block is not the one that your source knows at its height: it left the best chain, or never was on it. After a reorganisation, an upgrade of the receipt brings the new block.",
  "finding.transaction-not-in-block":
    "The receipt does not show that its transaction is in the block: the transaction or its proof was altered.",
  "finding.root-not-in-transaction":
    "The Bitcoin transaction does not carry this checkpoint: it anchors something else, or nothing.",
  "finding.thread-wrong": "The line of the log's anchors does not start where the log, or your card, says.",
  "finding.attestation-wrong": "The calendar's attestation in the receipt does not hold.",
  "finding.correction-wrong":
    "What the receipt shows of later corrections does not hold: it was altered, or made up.",
  "finding.part-unreadable": "Part of the receipt cannot be read: it was damaged.",
  "finding.key-not-valid-then":
    "The signature holds, but the key was not one that the identity which the entry names had for it when the entry was sealed: whoever signed it, did not sign for that identity.",
  "finding.not-a-receipt": "This is no receipt that can be read: it was damaged, or it is something else.",
  "finding.not-understood":
    "The entry says something that this version does not know and may not pass over: a newer one has to judge it.",
  "finding.not-sealed": "Nothing is wrong, and nothing is proved yet: the entry waits for its first seal.",
  "finding.not-anchored":
    "Nothing is wrong: the log has signed for the entry, and the receipt shows no block of Bitcoin yet.",
  "finding.not-deep-enough":
    "Nothing is wrong: the block is the one that your source knows, and not deep enough yet. Wait for more blocks.",
  "finding.network-unknown":
    "Nothing was found wrong, but the log's network is not one that this verifier knows, so the block could not be checked.",
  "finding.block-not-checked":
    "Nothing was found wrong, but nobody whom you trust said whether the receipt's block is on the best chain.",
  "finding.log-not-identified":
    "Nothing is wrong, but nothing says whose log this must be: bring the log's card, or say that any log will do.",
  "finding.author-not-checked":
    "Nothing was found wrong, but the entry names its author's identity, and nothing here says whether the key was his then.",
  "finding.content-erased":
    "The entry stands, and the service says that its content was erased: there is nothing to compare your file with.",
  "finding.content-withheld":
    "The entry stands, and the receipt withholds its content: there is nothing to compare your file with.",
  "finding.retracted":
    "What was recorded is unchanged, and a later entry of its chain retracts it: it was withdrawn, not tampered with.",
  "finding.superseded":
    "What was recorded is unchanged, and a later entry of its chain supersedes it: it was corrected, not tampered with.",
  "finding.attested":
    "What was recorded is unchanged since a block that you trust, to which an OpenTimestamps calendar leads; the log's own anchor was not checked.",
  "finding.time-stamped":
    "What was recorded is unchanged since an authority's time stamp, whose word you said is enough; no block of Bitcoin was checked.",
  "finding.time-stamp-wrong": "The authority's time stamp in the receipt does not hold.",
  "finding.entry-intact": "The entry is intact; no content was compared with it, so nothing is said of any file.",
  "finding.intact": "The content is what was recorded.",
  "finding.bracket":
    "What was recorded was sealed after block {after} (as the log says), and is anchored in block {height} of {network}, which says {time}, give or take two hours.",
  "finding.link": "The entry says of itself that it {relation} entry {entry}.",
  "missing.seal": "not sealed yet: ask for an upgrade later",
  "missing.anchor": "{text}: ask for an upgrade later",
  "missing.timestamp":
    "{text}; that is the word of an authority and no Bitcoin anchor, and you did not say that it is enough",
  "missing.log": "the log is not identified: bytes existed by then, but in whose log is not said",

  // What proof of work is worth
  "network.mainnet":
    "Proof of work on mainnet is real: if its target is the one that the chain demanded, a block costs what all Bitcoin miners together spend in about ten minutes.",
  "network.testnet3":
    "Proof of work on testnet3 is worth little: its coins have no value, and anyone with one computer can make a block of the lowest difficulty.",
  "network.testnet4":
    "Proof of work on testnet4 is worth little: its coins have no value, and anyone with one computer can make a block of the lowest difficulty.",
  "network.signet":
    "Proof of work on signet is trivial: a few key holders sign its blocks, and no header shows their signature.",
  "network.regtest":
    "Proof of work on regtest is worth nothing: anyone makes any number of blocks in no time, on a chain of their own.",

  // Forms that are not kept
  "form.hex": "{what}: expected lower-case hex digits in pairs, got {found!r}",
  "form.base64": "{what}: expected base64 that re-encodes to itself, got {found!r}",
  "form.exact": "{what}: expected {size} bytes, got {found}",
  "form.size": "{what}: expected at most {limit}, got {found}",
  "form.lacking": "expected {count} bytes of {what} at byte {at}, found {left}",
  "form.trailing": "expected the end at byte {at}, found {left} bytes more",
  "json.utf8": "{what}: expected JSON in UTF-8",
  "json.syntax": "{what}: expected strict JSON, found something else at character {at}",
  "json.depth": "{what}: expected at most {limit} levels of nesting",
  "json.twice": "{what}: the field {name!r} occurs twice",
  "json.surrogate": "{what}: a string holds a lone surrogate",
  "json.object": "{what}: expected an object",
  "json.lacking": "{what}: expected a field {name!r}",
  "json.newer": "{what}: {found!r} was written by a newer Anchorline; this page reads {wanted!r}",
  "json.format": "{what}: expected format {wanted!r}, found {found!r}",
  "json.string": "{what}.{name}: expected a string",
  "json.integer": "{what}.{name}: expected an integer from 0 to 2^53-1",
  "json.array": "{what}.{name}: expected an array",
  "json.items": "{what}.{name}: expected at most {limit} items, found {found}",
  "json.unknown": "{what}: unknown field {name!r}",
  "entry.version": "entry: expected version 1, found {found}; written by a newer Anchorline?",
  "entry.media-type": "media_type: expected printable ASCII (20 to 7e)",
  "entry.id-kind": "external id: expected kind 0, 1 or 2, found {found}",
  "entry.id-empty": "external id: expected at least one byte, got none",
  "entry.extension-order": "extensions: expected ascending types, none twice",
  "entry.batch": "author of type 3: expected 104 bytes and at most 32 hashes",
  "entry.no-ids": "a chain's first entry: expected at least one external id, found none",
  "identity.version":
    "identity statement: expected version 1 and operations 1 to 8, found version {version}, operation {operation}; written by a newer Anchorline?",
  "identity.ending": "identity statement: expected a reason of 0 to 4, found {found}",
  "identity.purposes": "purposes of a key: expected 1 (entries), 2 (keys) or 3 (both), found {found}",
  "identity.no-keys": "keys of an identity: expected one at least that may change keys (purpose 2)",
  "identity.threshold": "threshold: expected 1 to {count} of the recovery keys",
  "identity.wait": "wait_blocks: expected 0 or at least 144, found {found}",
  "identity.both": "keys of an identity: expected recovery keys that are nothing else",
  "identity.name": "name of an identity: expected did:web:DOMAIN in lower case, got {found!r}",
  "identity.count": "identity statement: expected {least} to {most} {what}, found {found}",
  "identity.order": "identity statement: expected {what} in ascending order, none twice",
  "leaf.type": "directory leaf: expected a type from 10 to 1f (hex), found {found}",
  "leaf.origin": "origin: expected 1 to 255 printable ASCII characters without space and +, got {found!r}",
  "leaf.key-type": "key: expected type 0 or 1, found {found}",
  "leaf.revoked": "log leaf: expected three keys, found a revoked one",
  "leaf.purpose": "key leaf: expected purpose 1, 2 or 3, found {found}",
  "leaf.signer": "key leaf: expected signer 0 or 3, found {found}",
  "leaf.recovery": "key leaf: a recovery key is replaced by the recovery key only",
  "leaf.cannot-revoke": "key leaf: only a promise key can be revoked without a successor",
  "leaf.epoch": "epoch leaf: expected lost_from_ms <= lost_to_ms",
  "note.control": "note: expected UTF-8 without control characters other than newline",
  "note.form": "note: expected text, an empty line, and signature lines that end in a newline",
  "note.lines": "note: expected 1 to 16 signature lines, found {found}",
  "note.prefix": "note: expected a signature line beginning with an em dash",
  "note.name": "note: expected a name without space and + and a signature",
  "note.short": "note: expected a key id of 4 bytes and a signature, got {found} bytes",
  "note.three-lines": "checkpoint: expected exactly three lines, found {found}",
  "note.size": "checkpoint: expected a decimal size without leading zeros",
  "promise.type": "promise leaf: expected type 20 (hex), found {found}",
  "receipt.state": "receipt.content.state: expected shown, withheld or erased, found {found!r}",
  "receipt.log-index": "receipt.log.index: expected 0, the first leaf of the directory",
  "receipt.leaf": "{what}: expected a {kind} leaf, found a {found} leaf",
  "receipt.network": "receipt.anchors.network: expected a name of 1 to {limit} characters",
  "bitcoin.shortest": "expected the length or number of {what} in its shortest form, found {value} in {size} bytes",
  "bitcoin.count": "expected {value} {what} after byte {at}, found only {left} bytes",
  "bitcoin.trailing": "expected a transaction without witness of {at} bytes, found {left} more after it",
  "bitcoin.no-input": "expected at least one input, found none: a witness must be stripped before",
  "bitcoin.no-output": "expected a transaction of at least one input and one output, found {inputs} and 0",
  "bitcoin.header": "expected a block header of 80 bytes, found {found}",
  "bitcoin.display": "expected a hash of 64 lower-case hex digits, found {found!r}",
  "attached.unlike":
    "expected a certificate with one receipt attached to it, as `anchorline certificate` writes it, found a PDF of " +
    "another kind; save the receipt from its attachments, and verify that",
  "blocks.network": "network: expected one of {names}, got {found!r}",
  "blocks.form": "block: expected NETWORK:HEIGHT:HASH with a decimal height, got {found!r}",
  "blocks.headers": "headers file: expected a first line 'NETWORK HEIGHT' and a final newline",
  "blocks.header-line": "headers file, line {line}: expected 160 hex digits",
  "blocks.unlinked": "headers file, line {line}: not linked to the header before",
  "blocks.genesis": "headers file: block 0 is {found}, not the genesis of {network}",
  "ots.magic": "expected a file that begins with OpenTimestamps' magic bytes; found another",
  "ots.version": "expected version 1, found {found}: a newer tool wrote it",
  "ots.hash": "expected a hash operation, found {name}",
  "ots.tag": "expected the tag of an operation, found {found}, which is unknown",
  "ots.argument": "expected {wanted} argument for {name}, found {found} bytes",
  "ots.empty": "expected a message of at least one byte, found an empty one",
  "ots.message": "expected messages of at most {limit} bytes, found that {name} makes {result} of {size}",
  "ots.budget": "expected at most {limit} operations from a message to an attestation, found {found}",
  "ots.twice": "expected each item of a node once, found {name} twice",
  "ots.attestations": "expected at most {limit} attestations, found more",
  "ots.most": "expected {what} of at most {most}, found more",
  "ots.shortest": "expected {what} in its shortest form, found {value} in {size} bytes",
  "ots.uri": "expected an address of A-Z a-z 0-9 - . _ / : only",
  "ots.not-believed": "nothing may rest on {name}, which is on the way to the block",

  // A bare .ots file
  "ots.step-file": "the file",
  "ots.step-way": "a way to a block",
  "ots.file-ok": "the file is what was timestamped, SHA-256 {digest}",
  "ots.file-changed": "the file is not what was timestamped: expected SHA-256 {digest}, found {found}",
  "ots.no-file": "file not compared: drop the file whose SHA-256 is {digest}",
  "ots.other-hash": "file not compared: this page does not trust {name}, with which it was hashed",
  "ots.pending": "only promised so far, by the calendar {uri}: have the file upgraded later",
  "ots.other-kind": "an attestation of another kind ({type}), which this page does not check",
  "ots.not-computed": "not computed: {error}",
  "ots.unasked":
    "leads to block {height}, whose Merkle root must be {root}; nobody was asked whether it is (the file names no network: {network} is your choice)",
  "ots.no-root":
    "leads to block {height}, whose Merkle root must be {root}; a block hash alone does not show that: ask explorers, or bring a headers file",
  "ots.another-root": "leads to the Merkle root {root}; block {height} of {network} has {found}",
  "ots.shallow": "block {height} of {network} has {count} confirmations, {wanted} are wanted",
  "ots.ok": "leads to block {height} {block} of {network}, whose Merkle root is {root}",

  // Manifests (anchor/proof/manifest*.py)
  "manifest.files": "manifest: expected at most {limit} files, got more",
  "manifest.form": "manifest: its values are written in another form than the only one",
  "manifest.kind": "kind of file: expected 0 to 2, found {found}",
  "manifest.row-kind": "kind of rows: expected 0 to 2, found {found}",
  "manifest.no-rows": "rows: a file without rows has neither delimiter, count nor root",
  "manifest.delimiter": "rows: expected an ASCII delimiter, no quote or line end, and none for lines; found 0x{found}",
  "manifest.rows": "rows: expected at most {limit}, got {found}",
  "manifest.leaf": "leaf of a file: expected 0x30 at its beginning",
  "manifest.path-utf8": "path {found}: expected UTF-8",
  "manifest.path-long": "path {found!r}: expected at most {limit} bytes",
  "manifest.path-nfc": "path {found!r}: expected Unicode in its composed form (NFC)",
  "manifest.path-names": "path {found!r}: expected names parted by single slashes, none of them . or ..",
  "manifest.path-control": "path {found!r}: expected neither backslashes nor control characters",
  "manifest.order": "path {found!r}: expected paths in order, it stands behind {before!r}",
  "manifest.below": "path {found!r}: {before!r} is listed by itself and holds nothing",
  "manifest.early": "list of a manifest: it ends early, {count} bytes are missing",
  "manifest.newer": "list of a manifest: {found!r} was written by a newer Anchorline",
  "manifest.magic": "list of a manifest: expected another beginning, found {found!r}",
  "manifest.mark": "list of a manifest: expected a file or the end, found {found}",
  "manifest.count": "list of a manifest: its end counts otherwise than the {count} files before it",
  "manifest.behind": "list of a manifest: bytes behind its end",
  "manifest.rows-of-no-file": "{path}: only a file has rows",
  "manifest.folder-bytes": "{path}: an empty folder has no bytes",
  "manifest.tags": "{path}: {found} bytes of tags are not those of its rows",
  "manifest.cells": "{path}: expected at most {limit} tags of cells in a row",
  "manifest.long-row":
    "{what}, row {number}: expected at most {limit} bytes; where a quote is never closed, mend it, or record the file without its rows",
  "manifest.proof-rows": "proof of a manifest: expected the file's digest, or rows in order, none twice",
  "manifest.opening": "{path}: size and digest are not those in the manifest",
  "manifest.rows-only": "the proof shows rows of {path} and not the whole file: verify it without a file",
  "manifest.another-file":
    "the file is not {path} as it was recorded: expected SHA-256 {digest}, found {found}",
  "kind.0": "file",
  "kind.1": "empty folder",
  "kind.2": "symbolic link",
  "kind.a-0": "a file",
  "kind.a-1": "an empty folder",
  "kind.a-2": "a symbolic link",
  "kind.file": "file",
  "kind.folder": "folder",
  "kind.manifest": "manifest",
  "changes.title": "What differs from what was recorded",
  "changes.proved": "What the proof shows",
  "changes.proved-row": "row {row} of {path}: {text}",
  "changes.more": "and {count} more; the saved verdict has the first 1000",
  "changes.changed": "changed",
  "changes.added": "added",
  "changes.removed": "removed",
  "changes.file": "{what} {path}{note}",
  "changes.removed-row": "{what} {path}: row {row} as recorded",
  "changes.row": "{what} {path}: row {row} (line {line}{moved}){columns}",
  "changes.moved": ", recorded as row {row}",
  "changes.column": ", column {named}",
  "changes.columns": ", columns {named}",
  "changes.kind": "recorded as {kind}",

  // Time stamps (anchor/timestamp_token.py)
  "der.behind": "DER: bytes too many behind the value",
  "der.end": "DER: expected more bytes, found the end",
  "der.tag": "DER: tags of more than one byte are not used here",
  "der.length": "DER: expected a length in its shortest form",
  "der.expected": "DER: expected a value with tag 0x{tag}",
  "der.few": "DER: expected at least {least} values inside tag 0x{tag}",
  "der.time": "time stamp: expected a time in UTC, found {found!r}",
  "certificate.serial": "time stamp: expected certificates with positive serial numbers",
  "certificate.algorithm": "certificate: expected one algorithm, found two",
  "certificate.bits": "certificate: expected a signature of whole bytes",
  "certificate.twice": "certificate: an extension occurs twice",
  "certificate.no-webcrypto":
    "time stamps are not checked here: the browser has its WebCrypto only for a saved page or one over https; save this page and open it",
  "certificate.none": "expected certificates in PEM, found none that can be read",
  "certificate.no-root": "expected at least one root (a certificate that signs itself) of a time-stamping authority",

  // Evidence of a broken promise (anchor/proof/breach.py)
  "heads.empty": "the deepest sibling is empty, so the way ends further up",
  "heads.root": "the proof does not lead to the heads root of the seal",
  "heads.leaf": "the leaf at the end of the way is not a head",
  "heads.elsewhere": "the head at the end of the way lies elsewhere",
  "dispute.kind": "evidence.kind: expected one of {kinds}, found {found!r}",
  "dispute.two": "{what}.{name}: expected two, found {found}",
  "dispute.wrong-log": "the evidence is about log {log}, your card is of {card}",
  "dispute.place": "index {index} of chain {chain}",
  "dispute.one-place": "{place} was promised to entry {one} and to entry {other}",
  "dispute.one-entry": "entry {one} was promised at index {first} and index {second} of chain {chain}",
  "dispute.another-entry":
    "{place} was promised to entry {entry}; the log signed {size} entries with {found} there",
  "dispute.another-place":
    "entry {entry} was promised at index {index} of chain {chain}; the log signed it at index {found}",
  "dispute.of-directory": "the directory",
  "dispute.of-chain": "chain {chain}",
  "dispute.two-roots": "of {what} the log signed two different roots of {size} leaves",
  "dispute.two-sizes": "of {what} the log signed {one} and {other} leaves, which differ at index {index}",
  "dispute.sealed-late":
    "{place} was promised to be sealed by {time}; by the log's own clock it was sealed {late} ms later",
  "dispute.not-sealed":
    "{place} was promised to be sealed by {time}; the seal of {seal} has {size} entries of the chain",
  "dispute.both-kept": "the two promises can both be kept",
  "dispute.entry-is-there": "the entry at the promised place is the promised one",
  "dispute.at-its-place": "the entry is at the promised place",
  "dispute.different-logs": "the two roots are of different logs",
  "dispute.one-size": "expected two different roots of one size, and nothing else",
  "dispute.no-leaves": "roots of different sizes differ only where two leaves at one place are shown",
  "dispute.same-leaf": "both have the same leaf at index {index}",
  "dispute.head-short": "the head does not reach the promised place",
  "dispute.in-time": "sealed at {time}, as promised",
  "dispute.seal-early": "the seal was made at {time}, before the promised time had passed",
  "dispute.head-reaches": "the seal has a head of {size} entries, which reaches the promised place",
  "dispute.another-log": "the signed root is of another log than the chain of the promise",
  "dispute.head-origin": "a head is in the directory, not in {found!r}",
  "dispute.origin": "the checkpoint is by {found!r}, not by {origin!r}",
  "dispute.signature": "the checkpoint is not signed by a checkpoint key shown",
  "dispute.directory": "expected the directory's checkpoint, got {found!r}",
  "dispute.step-card": "whose log",
  "dispute.step-keys": "keys",
  "dispute.step-promise": "a promise",
  "dispute.step-checkpoint": "a signed root",
  "dispute.step-leaf": "a path",
  "dispute.step-breach": "what it shows",
  "dispute.no-card": "nobody has said whose log it is: it calls itself {origin!r}",
  "dispute.told-keys": "{count} changes of keys, each signed by the key before it",
  "dispute.told-promise": "the log promised {place} to entry {entry}, signed with its promise key {key}",
  "dispute.told-checkpoint": "{size} leaves, signed by the log as {origin}",
  "dispute.told-leaf": "the {kind} leaf at index {index} is in the signed directory",
  "dispute.shown": "{text}",
  "dispute.late": "The log broke its promise: it was late",
  "dispute.equivocation": "The log contradicts itself",
  "dispute.failed": "This is no evidence of a broken promise",
  "dispute.no card": "A promise was broken; by whose log, is not said",
  "dispute.meaning-late":
    "By its own signatures and its own clock, this log did later than promised what it promised. That shows that it was late, not that anything in it is false.",
  "dispute.meaning-equivocation":
    "This log signed two things of which one is false. Whoever holds its card can check that without anybody's help.",
  "dispute.meaning-failed":
    "An honest log could have signed all of this, or some of it is not signed by the log at all.",
  "dispute.meaning-no card":
    "The evidence holds. Bring the card of the log that you mean: it says whether it is this one.",

  // The page
  "page.title": "Is this file unchanged?",
  "page.lead":
    "You hold a file and its receipt. This page tells whether the file is still what was recorded, and since when. Everything is computed here in your browser, also without a network; nothing is sent anywhere.",
  "files.title": "1. What you hold",
  "files.drop": "Drop the file and its receipt here,",
  "files.hint": "all together and in any order; or choose them one by one:",
  "files.receipt": "Receipt",
  "files.receipt-hint": "It came with the file, often as FILE.receipt. A certificate (PDF), an OpenTimestamps file (.ots) or evidence of a broken promise does as well.",
  "files.record": "File",
  "files.record-hint": "The file that you want to check, of any size. It stays on this device.",
  "files.folder": "Or the whole folder that was recorded",
  "files.stop": "Stop reading",
  "files.card": "Log card",
  "files.card-hint":
    "A small file that says whose log this must be. Have it from the log's keeper or a contract, not from whoever gave you the receipt.",
  "files.any-log": "I have none: any log will do, I ask only since when the file exists.",
  "files.found-receipt": "{name}: a receipt",
  "files.found-certificate": "{name}: a certificate, with its receipt",
  "files.found-ots": "{name}: an OpenTimestamps file",
  "files.found-evidence": "{name}: evidence of a broken promise",
  "files.found-card": "{name}: log {origin}, {log}",
  "files.found-headers": "{name}: headers of {network}",
  "files.thread":
    "this is a mirror's file of the proofs of a log's anchors, and not a receipt; the thread is followed by `anchorline thread`, and a whole mirror or export by `anchorline verify --archive`",
  "files.found-networks": "{name}: adds {networks}",
  "files.found-certificates": "{name}: {certificates}",
  "files.found-record": "{name}: {size} bytes, SHA-256 {digest}",
  "files.found-folder": "{name}: {files}, to be compared with the list of the folder (FOLDER.manifest)",
  "files.found-list": "{name}: the list of a recorded folder, {files}, {size} bytes",
  "files.found-proof": "{name}: a proof of {path}",
  "files.several": "{count} files",
  "files.stopped": "{name}: not read to its end; choose it again",
  "files.unreadable-folder":
    "{name}: your browser does not let a saved page read a folder that is dropped; choose it with the button for a folder",
  "files.hashing": "{name}: being read",
  "files.not-a-proof": "{name}: neither a receipt, an OpenTimestamps file nor evidence of a broken promise",
  "files.bad": "{name}: {error}",
  "files.unreadable": "{name}: cannot be read; choose it again",
  "manifest.title": "The receipt is of a folder, or of the rows of a table",
  "manifest.label": "List of the folder (.manifest), or a proof of one file or of some rows",
  "manifest.hint":
    "With the list, every file and row that was changed, added or removed is named. A proof shows a part to somebody who learns nothing of the rest. (The list is secret: keep it to yourself. It is not sent anywhere.)",
  "paste.title": "Paste the receipt instead",
  "paste.label": "Text of the receipt",
  "paste.name": "the pasted receipt",
  "block.title": "2. The block of Bitcoin",
  "block.hint":
    "A receipt leads to one block of Bitcoin, and whoever forges a receipt can make up a block. So look it up yourself: once the receipt is there, its block is shown here. Ask your own Bitcoin node, or two or more websites that show blocks (explorers), which block has this number, and write down here the hash that they show.",
  "block.label": "Hash of the block, as your source shows it (or NETWORK:HEIGHT:HASH)",
  "block.no-height": "The receipt names no block; write NETWORK:HEIGHT:HASH.",
  "block.headers": "Or a headers file from your own node",
  "block.depth": "Confirmations wanted, where they are known",
  "compare.warning":
    "These are the receipt's own words, to be compared with your source. Copied from here into the field below they prove nothing.",
  "compare.network": "Network",
  "compare.unknown": "unknown to this page",
  "compare.height": "Number (height) of the block to ask for",
  "compare.hash": "Hash that your source must show for it",
  "compare.root": "Merkle root that it must have",
  "compare.time": "Time in the block",
  "compare.transaction": "Transaction in it",
  "networks.title": "Another network of Bitcoin",
  "networks.label": "File of networks (networks.toml)",
  "networks.hint":
    "Only for a log on a network that this page does not know: a signet or regtest of your own. Have the file from somebody whom you trust: whoever writes it says what work a block must have.",
  "networks.utf8": "networks file: expected UTF-8",
  "networks.count": "networks file: expected 1 to {limit} tables [networks.NAME], found {found}",
  "networks.line":
    "networks file, line {line}: expected a table [networks.NAME], or a field and its value on one line; `anchorline verify --networks` reads all of TOML",
  "networks.twice": "networks file, line {line}: {name} occurs twice",
  "networks.name": "networks file: {name}: expected a name of lower-case letters, digits and hyphens (at most 32)",
  "networks.field": "networks file: {name}: unknown field {field!r}; known are {known}",
  "networks.lacking": "networks file: {name}: field {field} is missing",
  "networks.hex": "networks file: {name}: {field}: expected {digits} lower-case hex digits in quotes",
  "networks.bits": "networks file: {name}: expected compact bits in their shortest form, found {found}",
  "networks.note": "networks file: {name}: proof_of_work_note: expected one line of 1 to {limit} characters",
  "networks.known": "networks file: {name} is known already and cannot be redefined",
  "networks.same": "networks file: {name}: genesis_header and message_start are those of {other}",
  "timestamps.title": "Time stamps of an authority (RFC 3161)",
  "timestamps.label": "Certificates of the authorities that you trust (PEM)",
  "timestamps.hint":
    "Only where the receipt has time stamps (step 14). Have the root certificate from the authority itself. Revocation is not checked.",
  "timestamps.accept": "An authority's word is enough for me where no block is checked.",
  "explorers.title": "Or let this page ask explorers for it",
  "explorers.hint":
    "Only this can leave your browser: the number of the block, asked of the explorers that you choose. They learn your network address and which block you ask for; they never get your file or your receipt. All that you ask must agree.",
  "explorers.network": "Network of an .ots file, which names none",
  "explorers.which": "Explorers (at least two)",
  "explorers.own": "Others: addresses of Esplora APIs, one a line",
  "explorers.consent": "I allow this page to ask the explorers chosen above for this block.",
  "explorers.ask": "Ask for the block",
  "explorers.and": " and ",
  "explorers.no-consent": "Nothing was asked: tick the line above if you allow it.",
  "explorers.no-block": "Nothing was asked: there is no receipt here that leads to a block of a known network.",
  "explorers.asking": "Asking for block {height} of {network}.",
  "explorers.agree": "Block {height} of {network}, on the word of {believed}.",
  "explorers.address": "Nothing was asked: expected an address that begins with https://, found {found!r}.",
  "explorers.too-few": "Nothing was asked: choose at least {least} explorers.",
  "explorers.disagree": "The explorers do not agree: {one} says {first}, {other} says {second}. None of them is believed.",
  "explorers.nonsense": "{name} gave an answer that cannot be right. No explorer is believed.",
  "explorers.work": "{name} gave a header without its work: {error}. No explorer is believed.",
  "explorers.status": "{name} answered with status {status} to {url}. No explorer is believed.",
  "explorers.unreachable":
    "{name} cannot be reached. No explorer is believed. (Once asked, this page can reach no others until it is loaded again.)",
  "verdict.title": "3. Verdict",
  "outcome.intact": "Intact",
  "outcome.intact-entry": "The entry is intact; no file was compared with it",
  "outcome.intact-part": "Intact, as far as the folder was compared",
  "outcome.attested": "Intact by a calendar's attestation, not by the log's own anchor",
  "outcome.time-stamped": "Intact by an authority's time stamp; no block of Bitcoin was checked",
  "outcome.ots": "Timestamped in Bitcoin, unchanged since",
  "outcome.corrected": "Unchanged, and corrected later",
  "outcome.failed": "Does not verify",
  "outcome.incomplete": "Incomplete",
  "outcome.not checked": "Could not be checked",
  "outcome.content erased or withheld": "Content not compared",
  "meaning.intact":
    "This record was first sealed after block {after} (as the log says), and is unchanged since block {height} of {network}, which says {time}, give or take two hours.",
  "meaning.intact-entry":
    "The entry in this receipt was first sealed after block {after} (as the log says), and is unchanged since block {height} of {network}, which says {time}, give or take two hours. Bring the file to see whether it is the one that was recorded.",
  "meaning.folder":
    "This receipt is of a folder, or of a table by its rows. Bring the folder, and the list that was written beside it (FOLDER.manifest); or a proof of one file or some rows of it.",
  "meaning.limits-unsigned":
    "That proves that these bytes were recorded by then and have not changed since. It does not prove that they are true, that they did not exist before, or who wrote them: nobody signed.",
  "meaning.limits-unchecked":
    "That proves that these bytes were recorded by then and have not changed since. It does not prove that they are true, that they did not exist before, or who wrote them: the signature was not checked.",
  "meaning.limits-signed":
    "That proves that these bytes were recorded by then and have not changed since. It does not prove that they are true or that they did not exist before. The holder of the key below signed them; whose key it is, is not said.",
  "meaning.attested":
    "This is unchanged since a block that you trust, to which an OpenTimestamps calendar leads. The log's own anchor was not checked; that the log shows everybody this one history, is not proved.",
  "meaning.time-stamped":
    "This is unchanged since the time that an authority put its signature under, whose word you said is enough. No block of Bitcoin was checked; a key that was stolen can put any time into a time stamp.",
  "meaning.ots":
    "This file is unchanged since that block. An OpenTimestamps file says nothing of who made it, of any log, or whether the same was timestamped before.",
  "meaning.mistake": "This page met something that it was not made for, and says nothing of the receipt: {error}",
  "meaning.incomplete": "Nothing is wrong with it, and something is not there yet or was not brought.",
  "meaning.not checked": "Nothing was found to be wrong, but what matters could not be checked.",
  "meaning.next":
    "What is left to you: ask a source that you trust for block {height} of {network}, and enter the hash that it shows above.",
  "meaning.lacking": "What is lacking:",
  "meaning.not-part": "Not part of this verdict:",
  "bracket.title": "Since when",
  "bracket.after": "First sealed after",
  "bracket.by": "Unchanged since",
  "bracket.anchored": "Anchored in",
  "bracket.block": "block {height} of {network}",
  "bracket.time": "{time}, give or take two hours",
  "bracket.log-says": "as the log says, unless step 7 names another source",
  "bracket.confirmed": "a block that you trust",
  "bracket.not-confirmed": "not yet compared with a block that you trust",
  "steps.title": "What was checked, step by step",
  "steps.rests": "Rests on: {restsOn}",
  "steps.reason": "Name of the failure: {reason}",
  "state.ok": "holds",
  "state.failed": "fails",
  "state.not checked": "not checked",
  "state.absent": "not there",
  "facts.title": "Identifiers and facts",
  "actions.print": "Print this verdict",
  "actions.save": "Save this verdict as JSON",
  "footer.proves":
    "What a receipt proves: first sealed between two blocks of Bitcoin, and unchanged since. Not that the content is true, nor who wrote it unless it is signed.",
  "footer.about":
    "This file is part of Anchorline (Apache-2.0). Save it and keep it with your receipts: it needs no server. It gives the same verdict as the command anchorline verify.",

  // Failures in plain words, one for each reason
  "reason.malformed": "Part of the receipt cannot be read: it was damaged, or is no receipt.",
  "reason.inclusion-wrong": "A proof does not lead to where it should.",
  "reason.chain-id-mismatch": "The entry is not the first of the chain that it names.",
  "reason.entry-meant-for-another-log": "The entry was written for another log and means nothing in this one.",
  "reason.content-changed": "The file was changed: it is not what was recorded.",
  "reason.content-commitment-mismatch": "The receipt's salt and digest do not belong to the entry that was recorded.",
  "reason.author-signature-wrong": "The author's signature is not one over this entry.",
  "reason.author-key-not-valid": "The author's key was not one of his identity when the entry was sealed.",
  "reason.author-key-history-wrong": "The history of the author's keys is not the one that the log holds, or not whole.",
  "reason.correction-wrong": "A later correction that the receipt shows is not in the chain, or corrects something else.",
  "reason.chain-path-wrong": "The entry is not in the chain where the receipt says it is.",
  "reason.key-history-wrong": "The log's keys do not follow from one another.",
  "reason.checkpoint-signature-wrong": "The log did not sign this checkpoint.",
  "reason.checkpoint-origin-wrong": "The checkpoint is of a log with another name.",
  "reason.directory-path-wrong": "A leaf that the receipt shows is not in the log's directory.",
  "reason.head-does-not-match-entry": "The chain's head that is shown is of another chain.",
  "reason.not-the-first-head": "The head that is shown is not the first that holds the entry.",
  "reason.seal-does-not-cover-head": "The seal that is shown is not the one of this head.",
  "reason.another-log": "This is the receipt of another log than the one on your card.",
  "reason.another-network": "You gave a block of another network than the receipt's.",
  "reason.promise-signature-wrong": "The log did not make this promise.",
  "reason.promise-does-not-match-entry": "The promise is for another entry, or for another place.",
  "reason.payload-missing": "The Bitcoin transaction carries nothing of the log's where it must.",
  "reason.payload-ambiguous": "The Bitcoin transaction carries two payloads, and so anchors nothing.",
  "reason.payload-does-not-match-checkpoint": "The Bitcoin transaction anchors something else than this checkpoint.",
  "reason.transaction-of-64-bytes": "The transaction has a length that allows a forged proof.",
  "reason.branch-index-out-of-range": "The proof places the transaction where no place of the block is.",
  "reason.branch-too-long": "The proof is longer than any block is deep.",
  "reason.branch-inner-node-is-transaction": "The proof goes through a transaction: that is a known forgery.",
  "reason.branch-duplicated-left-sibling": "The proof repeats a hash where none is repeated: that is a known forgery.",
  "reason.transaction-not-in-block": "The transaction is not in the block that is shown.",
  "reason.coinbase-not-in-block": "The block's first transaction, as shown, is not in the block.",
  "reason.branch-lengths-differ": "The proofs of two transactions of one block have different lengths.",
  "reason.not-a-coinbase": "What is shown as the block's first transaction is none.",
  "reason.coinbase-height-wrong": "The block says that it is at another height.",
  "reason.target-invalid": "The block's header names a difficulty that no block can have.",
  "reason.target-above-network-limit": "The block's header names a difficulty that is too low for its network.",
  "reason.proof-of-work-missing": "Nobody did the work for this block's header.",
  "reason.block-is-not-the-given-one": "The receipt's block is not the one that your source knows at its height.",
  "reason.thread-leaf-mismatch": "The line of the log's anchors does not start where the log, or your card, says.",
  "reason.no-breach": "An honest log could have signed this, too: no promise is shown to be broken.",
  "reason.heads-proof-wrong": "The proof does not lead to where it should in the tree of the chains' heads.",
  "reason.timestamp-of-something-else": "The time stamp is of something else than this checkpoint.",
  "reason.timestamp-certificate-wrong": "The certificate of the time stamp is missing, not one for time stamps, or was not valid then.",
  "reason.timestamp-signature-wrong": "The authority did not sign this time stamp, or nothing shows that it did.",
  "reason.attestation-mismatch": "The OpenTimestamps proof is of something else, or leads to another block.",
};

/** A text of the table with its values; bytes are shown in hex. */
export function say(key, values = {}) {
  return TEXTS[key].replace(/\{(\w+)(!r)?\}/g, (_, name, isQuoted) => {
    const value = values[name];
    if (value instanceof Uint8Array) return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return isQuoted ? quoted(value) : String(value);
  });
}

/** "1 file" or "2 files"; `things` is the plural. */
export function counted(count, things) {
  return `${count} ${Number(count) === 1 ? things.slice(0, -1) : things}`;
}

/** A text from a stranger in which whatever cannot be seen, or turns the direction of writing, is escaped. */
export function printable(text) {
  return Array.from(text, (each) => (each === "\\" ? each : escapedIn(each, ""))).join("");
}

const SHORT_ESCAPES = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A text from a stranger as Python's repr() writes it. */
function quoted(text) {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  return mark + Array.from(text, (each) => escapedIn(each, mark)).join("") + mark;
}

function escapedIn(character, mark) {
  if (character === "\\" || character === mark) return `\\${character}`;
  if (SHORT_ESCAPES[character] !== undefined) return SHORT_ESCAPES[character];
  if (character === " " || !/[\p{C}\p{Z}]/u.test(character)) return character;
  const code = character.codePointAt(0);
  const [letter, size] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return `\\${letter}${code.toString(16).padStart(size, "0")}`;
}

const LAST_SECOND = 253402300799n;

/** A Unix time in milliseconds (BigInt) as RFC 3339 UTC, to the second; what no calendar holds stays a number. */
export function utc(timeMs) {
  const seconds = timeMs / 1000n;
  return seconds > LAST_SECOND ? `${timeMs} ms` : `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}Z`;
}
