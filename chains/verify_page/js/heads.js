// SPDX-License-Identifier: Apache-2.0
// The heads tree (docs/spec/heads-tree.md): one hash over the newest head of every chain, and the way in it to where a
// chain is, or would be. Siblings are from the top.

import { HASH_SIZE, sameBytes } from "./bytes.js";
import { Refused } from "./errors.js";
import { decodeLeaf } from "./leaves.js";
import { leafHash, nodeHash } from "./merkle.js";
import { sha256 } from "./sha256.js";

export const MAX_SIBLINGS = 8 * HASH_SIZE;
const REASON = "heads-proof-wrong";
const EMPTY = sha256(Uint8Array.of(2));

/** The head at which the way of `chainId` ends under `root` (its newest, another chain's, or null); Refused for none. */
export function headOnWay({ terminal, siblings }, chainId, root) {
  if (siblings.length && sameBytes(siblings[siblings.length - 1], EMPTY)) throw new Refused(REASON, "heads.empty");
  const head = terminal === null ? null : terminalHead(terminal, siblings.length, chainId);
  let node = terminal === null ? EMPTY : leafHash(terminal);
  for (let level = siblings.length - 1; level >= 0; level--) {
    node = bitOf(chainId, level) ? nodeHash(siblings[level], node) : nodeHash(node, siblings[level]);
  }
  if (!sameBytes(node, root)) throw new Refused(REASON, "heads.root");
  return head;
}

function terminalHead(terminal, depth, chainId) {
  const head = decodeLeaf(terminal);
  if (head.kind !== "head") throw new Refused(REASON, "heads.leaf");
  for (let level = 0; level < depth; level++) {
    if (bitOf(head.chainId, level) !== bitOf(chainId, level)) throw new Refused(REASON, "heads.elsewhere");
  }
  return head;
}

function bitOf(bytes, place) {
  return (bytes[place >> 3] >> (7 - (place & 7))) & 1;
}
