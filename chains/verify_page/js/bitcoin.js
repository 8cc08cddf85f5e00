// SPDX-License-Identifier: Apache-2.0
// Bitcoin as a proof needs it (docs/spec/bitcoin-anchor.md): transactions without witness, headers, work, networks.
// Hashes are in internal order; display order is for people only.

import { bytesOfHex, Cursor, displayHex, HASH_SIZE, littleEndian, reversed, toHex } from "./bytes.js";
import { Malformed, Refused } from "./errors.js";
import { decodeOutpoint } from "./leaves.js";
import { sha256d } from "./sha256.js";
import { TEXTS } from "./texts.js";

export const MAX_TRANSACTION = 4000;
export const HEADER_SIZE = 80;
const INPUT_MIN = 41;
const OUTPUT_MIN = 9;

/** Reads Bitcoin's little-endian integers, and lengths in their shortest form only. */
class TransactionCursor extends Cursor {
  number(count, what) {
    return littleEndian(this.take(count, what));
  }

  compactSize(what) {
    const first = this.byte(what);
    if (first < 0xfd) return BigInt(first);
    const width = first === 0xfd ? 2 : first === 0xfe ? 4 : 8;
    const value = this.number(width, what);
    const least = width === 2 ? 0xfdn : width === 4 ? 0x10000n : 0x100000000n;
    if (value < least) throw new Malformed("bitcoin.shortest", { what, value, size: width + 1 });
    return value;
  }

  /** How many things follow, each of at least `leastSize` bytes, which must be there. */
  count(leastSize, what) {
    const value = this.compactSize(what);
    const left = this.left();
    if (value * BigInt(leastSize) > left) throw new Malformed("bitcoin.count", { value, what, at: this.at, left });
    return Number(value);
  }

  sized(what) {
    return this.take(Number(this.compactSize(what)), what);
  }

  end() {
    if (this.left()) throw new Malformed("bitcoin.trailing", { at: this.at, left: this.left() });
  }
}

/** Read a transaction without witness that takes all of `raw`: { inputs, outputs }. */
export function decodeTransaction(raw, limit) {
  const reader = new TransactionCursor(raw, limit, "a transaction");
  reader.take(4, "the version");
  const inputs = Array.from({ length: readCount(reader, INPUT_MIN, "inputs") }, () => readInput(reader));
  const outputs = Array.from({ length: reader.count(OUTPUT_MIN, "outputs") }, () => readOutput(reader));
  reader.take(4, "the lock time");
  if (!outputs.length) throw new Malformed("bitcoin.no-output", { inputs: inputs.length });
  reader.end();
  return { inputs, outputs };
}

function readCount(reader, leastSize, what) {
  const count = reader.count(leastSize, what);
  if (count === 0) throw new Malformed("bitcoin.no-input");
  return count;
}

function readInput(reader) {
  const previous = decodeOutpoint(reader.take(36, "an outpoint"));
  const script = reader.sized("an input's script");
  reader.take(4, "a sequence");
  return { previous, script };
}

function readOutput(reader) {
  reader.take(8, "a value");
  return { script: reader.sized("an output's script") };
}

/** Read 80 bytes of a block header: { raw, hash, previous, merkleRoot, timeS, bits }. */
export function decodeHeader(raw) {
  if (raw.length !== HEADER_SIZE) throw new Malformed("bitcoin.header", { found: raw.length });
  return {
    raw,
    hash: sha256d(raw),
    previous: raw.slice(4, 36),
    merkleRoot: raw.slice(36, 68),
    timeS: littleEndian(raw.slice(68, 72)),
    bits: littleEndian(raw.slice(72, 76)),
  };
}

function targetHex(target) {
  return target.toString(16).padStart(64, "0");
}

/** The target that compact bits mean (Bitcoin Core, SetCompact); Refused for one that no block can have. */
export function targetFromBits(bits) {
  const size = bits >> 24n;
  const word = bits & 0x7fffffn;
  const target = size < 3n ? word >> (8n * (3n - size)) : word << (8n * (size - 3n));
  const found = bits.toString(16).padStart(8, "0");
  if (target === 0n) throw new Refused("target-invalid", "work.zero", { found });
  if (bits & 0x800000n) throw new Refused("target-invalid", "work.negative", { found });
  if (target >> 256n) throw new Refused("target-invalid", "work.overflow", { found });
  return target;
}

/** Refused unless the header's hash is at most its target, and that at most the network's limit. */
export function checkWork(header, powLimit) {
  const target = targetFromBits(header.bits);
  if (target > powLimit) {
    const values = { limit: targetHex(powLimit), found: targetHex(target) };
    throw new Refused("target-above-network-limit", "work.limit", values);
  }
  if (littleEndian(header.hash) > target) {
    const values = { target: targetHex(target), hash: displayHex(header.hash) };
    throw new Refused("proof-of-work-missing", "work.missing", values);
  }
}

/** Hashes expected behind a block of these bits: 2^256 / (target + 1). */
export function workFromBits(bits) {
  return (1n << 256n) / (targetFromBits(bits) + 1n);
}

function network(name, genesis, messageStart, limitBits) {
  return {
    name,
    genesis: reversed(bytesOfHex(genesis)),
    messageStart: bytesOfHex(messageStart),
    powLimit: targetFromBits(limitBits),
    worth: TEXTS[`network.${name}`],
  };
}

/** Bitcoin's networks by name (Bitcoin Core, kernel/chainparams.cpp); the signet is the default one (BIP 325). */
export const NETWORKS = new Map(
  [
    network("mainnet", "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f", "f9beb4d9", 0x1d00ffffn),
    network("testnet3", "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943", "0b110907", 0x1d00ffffn),
    network("testnet4", "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043", "1c163f28", 0x1d00ffffn),
    network("signet", "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6", "0a03cf40", 0x1e0377aen),
    network("regtest", "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206", "fabfb5da", 0x207fffffn),
  ].map((rules) => [rules.name, rules]),
);

/** Which of these networks leaf 0 names by genesis hash and message start, or null. */
export function networkOf(log, networks = NETWORKS) {
  const wanted = toHex(log.genesis) + toHex(log.messageStart);
  return [...networks.values()].find((rules) => toHex(rules.genesis) + toHex(rules.messageStart) === wanted) || null;
}

/** A hash of 64 lower-case hex digits in display order, in internal order. */
export function hashFromDisplay(text) {
  const bytes = text.length === 2 * HASH_SIZE ? bytesOfHex(text) : null;
  if (bytes === null) throw new Malformed("bitcoin.display", { found: text.slice(0, 80) });
  return reversed(bytes);
}
