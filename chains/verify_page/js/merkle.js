// SPDX-License-Identifier: Apache-2.0
// RFC 9162 Merkle trees over SHA-256: inclusion proofs. Leaves are hashed with prefix 00, nodes with 01.
// Indexes and sizes are BigInt and come from what the caller trusts; a path supplies siblings only.

import { sameBytes } from "./bytes.js";
import { Refused } from "./errors.js";
import { sha256 } from "./sha256.js";

export const MAX_PATH = 64;
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export function leafHash(leaf) {
  return sha256(LEAF, leaf);
}

/** The hash of the node over two others. */
export function nodeHash(left, right) {
  return sha256(NODE, left, right);
}

function bitLength(value) {
  return value === 0n ? 0 : value.toString(2).length;
}

function bitCount(value) {
  return value.toString(2).replaceAll("0", "").length;
}

/** The root to which `path` leads from a leaf hash (RFC 9162 section 2.1.3.2); Refused(reason) for a wrong length. */
export function rootFromInclusion(leaf, index, size, path, reason = "inclusion-wrong") {
  const hashes = [leaf, ...path];
  if (hashes.length > MAX_PATH + 2) throw new Refused(reason, "merkle.long", { limit: MAX_PATH, found: hashes.length });
  for (const hash of hashes) {
    if (hash.length !== 32) throw new Refused(reason, "merkle.hash", { found: hash.length });
  }
  if (index < 0n || index >= size) throw new Refused(reason, "merkle.outside", { index, size });
  const inner = bitLength(index ^ (size - 1n));
  const expected = inner + bitCount(index >> BigInt(inner));
  if (path.length !== expected) {
    throw new Refused(reason, "merkle.length", { index, size, expected, found: path.length });
  }
  let node = leaf;
  path.forEach((sibling, level) => {
    const isRight = level >= inner || (index >> BigInt(level)) & 1n;
    node = isRight ? nodeHash(sibling, node) : nodeHash(node, sibling);
  });
  return node;
}

/** Refused(reason) unless the leaf hash is at `index` of the tree (size, root). */
export function checkInclusion(leaf, index, size, path, root, reason = "inclusion-wrong") {
  if (!sameBytes(rootFromInclusion(leaf, index, size, path, reason), root)) {
    throw new Refused(reason, "merkle.root", { index, size });
  }
}

/** The right edge of a tree that is read leaf by leaf: its root, in memory that grows with its height only. */
export class Frontier {
  #size = 0;
  #peaks = []; // the roots of full subtrees, the largest first

  add(leaf) {
    let node = leaf;
    for (let rest = this.#size; rest % 2; rest = Math.floor(rest / 2)) node = nodeHash(this.#peaks.pop(), node);
    this.#peaks.push(node);
    this.#size++;
  }

  root() {
    if (!this.#peaks.length) return sha256();
    return this.#peaks.reduceRight((right, left) => nodeHash(left, right));
  }
}
