// SPDX-License-Identifier: Apache-2.0
// A transaction in a block as a receipt shows it (docs/spec/bitcoin-anchor.md): its payload, the branches of it and of
// the coinbase, and the height that the coinbase says. Whether the block is on the best chain is not known here.

import { decodeHeader, decodeTransaction, HEADER_SIZE, MAX_TRANSACTION } from "./bitcoin.js";
import { bigEndian, bigEndianBytes, concat, displayHex, littleEndian, littleEndianBytes, sameBytes } from "./bytes.js";
import { startsWith, toHex, utf8 } from "./bytes.js";
import { Malformed, Refused } from "./errors.js";
import { sha256, sha256d } from "./sha256.js";

const MAX_BRANCH = 17;
const MAX_COINBASE = 100000;
const PAYLOAD_SIZE = 40;
const ANCHOR_TAG = utf8("AL1");
const PAYLOAD_START = concat(Uint8Array.of(0x6a, PAYLOAD_SIZE), ANCHOR_TAG);
const PAYLOAD_OUTPUT = 1;
const NULL_OUTPOINT = "00".repeat(32) + "ffffffff";
const OP_1 = 0x51;
const MAX_HEIGHT_BYTES = 4;

/** Take the fields of a receipt's Bitcoin anchor, within its limits; what it proves is not checked. */
export function bitcoinAnchorFromJson(fields) {
  const anchor = {
    kind: "bitcoin",
    transaction: fields.hex("transaction", { maximum: MAX_TRANSACTION }),
    index: fields.integer("index"),
    path: fields.hashes("path", MAX_BRANCH),
    coinbase: fields.hex("coinbase", { maximum: MAX_COINBASE }),
    coinbasePath: fields.hashes("coinbase_path", MAX_BRANCH),
    header: decodeHeader(fields.hex("header", { exact: HEADER_SIZE })),
    height: fields.integer("height"),
  };
  fields.end();
  return { ...anchor, txid: sha256d(anchor.transaction) };
}

export function anchorTransaction(anchor) {
  return decodeTransaction(anchor.transaction, MAX_TRANSACTION);
}

/** { treeSize, root } in output 1 of an anchor transaction, and in no other (step 10). */
export function findPayload(transaction) {
  const scripts = transaction.outputs.map(({ script }) => script);
  const script = scripts[PAYLOAD_OUTPUT] || new Uint8Array();
  if (!startsWith(script, PAYLOAD_START) || script.length !== 2 + PAYLOAD_SIZE) {
    const found = toHex(script.slice(0, 42)) || "nothing";
    const values = { start: toHex(PAYLOAD_START), outputs: scripts.length, found };
    throw new Refused("payload-missing", "payload.missing", values);
  }
  scripts.forEach((other, index) => {
    if (index === PAYLOAD_OUTPUT || !startsWith(other, PAYLOAD_START)) return;
    throw new Refused("payload-ambiguous", "payload.ambiguous", { index });
  });
  return { treeSize: bigEndian(script.slice(5, 10)), root: script.slice(10) };
}

/** What calendars and time-stamping authorities are given: SHA-256 of the payload. */
export function imprintOf(size, root) {
  if (size >> 40n) throw new Malformed("payload.size", { limit: 2n ** 40n - 1n, found: size });
  return sha256(ANCHOR_TAG, bigEndianBytes(size, 5), root);
}

/** Refused unless transaction and coinbase are in the header's block, at the height that it says (step 11). */
export function checkAnchorTransaction(anchor) {
  anchorTransaction(anchor);
  const root = anchor.header.merkleRoot;
  checkNot64Bytes(anchor.transaction, "transaction");
  if (anchor.path.length !== anchor.coinbasePath.length) {
    const values = { path: anchor.path.length, coinbase: anchor.coinbasePath.length };
    throw new Refused("branch-lengths-differ", "branch.lengths", values);
  }
  const height = checkCoinbase(anchor.coinbase);
  checkBranchRoot(foldBranch(sha256d(anchor.coinbase), 0n, anchor.coinbasePath), root, "coinbase-not-in-block");
  checkBranchRoot(foldBranch(anchor.txid, anchor.index, anchor.path), root, "transaction-not-in-block");
  if (height !== anchor.height) {
    throw new Refused("coinbase-height-wrong", "coinbase.height", { expected: anchor.height, found: height });
  }
}

function checkBranchRoot(found, expected, reason) {
  if (sameBytes(found, expected)) return;
  throw new Refused(reason, "branch.root", { expected: displayHex(expected), found: displayHex(found) });
}

function checkNot64Bytes(raw, what) {
  if (raw.length === 64) throw new Refused("transaction-of-64-bytes", "transaction.64", { what });
}

/** The root to which a branch leads; what no honest block can have is refused (CVE-2012-2459, CVE-2017-12842). */
export function foldBranch(leaf, index, path) {
  if (path.length > MAX_BRANCH) {
    throw new Refused("branch-too-long", "branch.long", { limit: MAX_BRANCH, found: path.length });
  }
  const most = 1n << BigInt(path.length);
  if (index < 0n || index >= most) {
    throw new Refused("branch-index-out-of-range", "branch.index", { most, levels: path.length, found: index });
  }
  for (const hash of [leaf, ...path]) {
    if (hash.length !== 32) throw new Malformed("branch.hash", { found: hash.length });
  }
  let node = leaf;
  let isLast = false;
  for (const sibling of path) {
    const isRight = index & 1n;
    if (isRight) checkLeftSibling(node, sibling);
    else isLast = checkRightSibling(node, sibling, index, isLast);
    const pair = isRight ? concat(sibling, node) : concat(node, sibling);
    checkInnerNode(pair);
    node = sha256d(pair);
    index >>= 1n;
  }
  return node;
}

function checkLeftSibling(node, sibling) {
  if (!sameBytes(node, sibling)) return;
  throw new Refused("branch-duplicated-left-sibling", "branch.left", { node: displayHex(node) });
}

/** Whether our node is known to be the last of its level: only then it may be paired with itself. */
function checkRightSibling(node, sibling, index, isLast) {
  const isDouble = sameBytes(node, sibling);
  if (isDouble && index > 0n) return true;
  if (!isDouble && !isLast) return false;
  const values = { index, node: displayHex(node), sibling: displayHex(sibling) };
  throw new Refused("branch-duplicated-left-sibling", "branch.right", values);
}

/** Refuse the 64 bytes of two siblings if they are also a transaction. */
function checkInnerNode(pair) {
  if (pair[4] !== 1) return;
  try {
    decodeTransaction(pair, pair.length);
  } catch (error) {
    if (error instanceof Malformed) return;
    throw error;
  }
  throw new Refused("branch-inner-node-is-transaction", "branch.inner", { pair: toHex(pair) });
}

/** The height to which a coinbase commits (BIP 34). */
export function checkCoinbase(raw) {
  checkNot64Bytes(raw, "coinbase");
  let coinbase;
  try {
    coinbase = decodeTransaction(raw, MAX_COINBASE);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw new Refused("not-a-coinbase", "coinbase.malformed", { error: error.message });
  }
  const [{ previous, script }] = coinbase.inputs;
  if (coinbase.inputs.length !== 1 || toHex(previous.raw) !== NULL_OUTPOINT) {
    throw new Refused("not-a-coinbase", "coinbase.spends", { inputs: coinbase.inputs.length, spent: previous.name });
  }
  return pushedHeight(script);
}

function pushedHeight(script) {
  if (script.length < 2 || script.length > 100) {
    throw new Refused("not-a-coinbase", "coinbase.script", { found: script.length });
  }
  const height = firstNumber(script);
  if (height === null || !startsWith(script, pushOfNumber(height))) {
    throw new Refused("not-a-coinbase", "coinbase.push", { found: toHex(script.slice(0, 6)) });
  }
  return height;
}

function firstNumber(script) {
  const first = script[0];
  if (first >= OP_1 && first < OP_1 + 16) return BigInt(first - OP_1 + 1);
  return first > MAX_HEIGHT_BYTES ? null : littleEndian(script.slice(1, 1 + first));
}

/** A number as Bitcoin Core's `CScript() << number` writes it. */
function pushOfNumber(number) {
  if (number === 0n) return Uint8Array.of(0);
  if (number <= 16n) return Uint8Array.of(OP_1 + Number(number) - 1);
  const size = Math.floor(number.toString(2).length / 8) + 1; // the highest bit is a sign, so 128 takes two bytes
  return concat(Uint8Array.of(size), littleEndianBytes(number, size));
}
