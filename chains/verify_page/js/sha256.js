// SPDX-License-Identifier: Apache-2.0
// SHA-256 and SHA-512 (FIPS 180-4). WebCrypto's cannot hash a file piece by piece, and answers later even for 64 bytes,
// of which a proof has hundreds; so this one is used for everything, on bytes that are all public.

import { bigEndian, bigEndianBytes, concat } from "./bytes.js";

function isPrime(value) {
  for (let divisor = 2; divisor * divisor <= value; divisor++) if (value % divisor === 0) return false;
  return true;
}

function firstPrimes(count) {
  const primes = [];
  for (let value = 2; primes.length < count; value++) if (isPrime(value)) primes.push(value);
  return primes;
}

/** The largest integer whose `power`-th power is at most `value`. */
function integerRoot(value, power) {
  let low = 0n;
  let high = 1n << 128n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** power <= value) low = middle;
    else high = middle;
  }
  return low;
}

/** The first `bits` bits of the fraction of the `power`-th root of each prime (FIPS 180-4 sections 4.2 and 5.3). */
function fractions(primes, power, bits) {
  return primes.map((prime) => BigInt.asUintN(bits, integerRoot(BigInt(prime) << (power * BigInt(bits)), power)));
}

const PRIMES = firstPrimes(80);
const ROUND_512 = fractions(PRIMES, 3n, 64);
const START_512 = fractions(PRIMES.slice(0, 8), 2n, 64);
// The constants of SHA-256 are the first halves of those of SHA-512.
const ROUND_256 = Int32Array.from(ROUND_512.slice(0, 64), (value) => Number(value >> 32n) | 0);
const START_256 = Int32Array.from(START_512, (value) => Number(value >> 32n) | 0);

/** SHA-256 of bytes that come piece by piece. */
export class Sha256 {
  #state = START_256.slice();
  #words = new Int32Array(64);
  #block = new Uint8Array(64);
  #view = new DataView(this.#block.buffer);
  #held = 0;
  #size = 0;

  /** How many bytes were taken so far. */
  get size() {
    return this.#size;
  }

  update(bytes) {
    this.#size += bytes.length;
    let at = 0;
    if (this.#held) {
      at = Math.min(64 - this.#held, bytes.length);
      this.#block.set(bytes.subarray(0, at), this.#held);
      this.#held += at;
      if (this.#held < 64) return this;
      this.#compress(this.#block, 0);
      this.#held = 0;
    }
    for (; at + 64 <= bytes.length; at += 64) this.#compress(bytes, at);
    this.#block.set(bytes.subarray(at), 0);
    this.#held = bytes.length - at;
    return this;
  }

  digest() {
    const end = this.#block;
    end[this.#held] = 0x80;
    end.fill(0, this.#held + 1);
    if (this.#held >= 56) {
      this.#compress(end, 0);
      end.fill(0);
    }
    const lengths = [Math.floor(this.#size / 2 ** 29), (this.#size % 2 ** 29) * 8]; // of 32 bits each
    lengths.forEach((length, place) => this.#view.setUint32(56 + 4 * place, length));
    this.#compress(end, 0);
    const digest = new Uint8Array(32);
    for (let at = 0; at < 32; at++) digest[at] = this.#state[at >> 2] >>> (24 - 8 * (at & 3));
    return digest;
  }

  /** Begin anew: of many short messages a new hasher for each costs more than its hash. */
  reset() {
    this.#state.set(START_256);
    this.#held = 0;
    this.#size = 0;
    return this;
  }

  #compress(bytes, start) {
    compress256(this.#state, this.#words, bytes, start);
  }
}

/** One block of 64 bytes (FIPS 180-4 section 6.2.2); `words` is room for the message schedule. */
function compress256(state, words, bytes, start) {
  for (let t = 0, at = start; t < 16; t++, at += 4) {
    words[t] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
  for (let t = 16; t < 64; t++) {
    const x = words[t - 15];
    const y = words[t - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    words[t] = (words[t - 16] + s0 + words[t - 7] + s1) | 0;
  }
  // Taken one by one: a pattern takes them three times more slowly.
  let a = state[0];
  let b = state[1];
  let c = state[2];
  let d = state[3];
  let e = state[4];
  let f = state[5];
  let g = state[6];
  let h = state[7];
  for (let t = 0; t < 64; t++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const one = (h + s1 + ((e & f) ^ (~e & g)) + ROUND_256[t] + words[t]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

export function sha256(...parts) {
  const hasher = new Sha256();
  for (const part of parts) hasher.update(part);
  return hasher.digest();
}

/** SHA-256 of SHA-256: the hash of transactions, tree nodes and headers. */
export function sha256d(...parts) {
  return sha256(sha256(...parts));
}

const WORD = (1n << 64n) - 1n;

function rotated(word, bits) {
  return ((word >> bits) | (word << (64n - bits))) & WORD;
}

/** SHA-512 of a short message: what Ed25519 needs where the browser has none. */
export function sha512(message) {
  const zeros = (239 - (message.length % 128)) % 128;
  const bits = BigInt(message.length) * 8n;
  const padded = concat(message, Uint8Array.of(0x80), new Uint8Array(zeros), bigEndianBytes(bits, 16));
  let state = START_512;
  for (let at = 0; at < padded.length; at += 128) state = compressed512(state, padded.subarray(at, at + 128));
  return concat(...state.map((word) => bigEndianBytes(word, 8)));
}

function compressed512(state, block) {
  const words = Array.from({ length: 16 }, (_, t) => bigEndian(block.subarray(8 * t, 8 * t + 8)));
  for (let t = 16; t < 80; t++) {
    const x = words[t - 15];
    const y = words[t - 2];
    const s0 = rotated(x, 1n) ^ rotated(x, 8n) ^ (x >> 7n);
    const s1 = rotated(y, 19n) ^ rotated(y, 61n) ^ (y >> 6n);
    words.push((words[t - 16] + s0 + words[t - 7] + s1) & WORD);
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let t = 0; t < 80; t++) {
    const s1 = rotated(e, 14n) ^ rotated(e, 18n) ^ rotated(e, 41n);
    const one = h + s1 + ((e & f) ^ (~e & WORD & g)) + ROUND_512[t] + words[t];
    const s0 = rotated(a, 28n) ^ rotated(a, 34n) ^ rotated(a, 39n);
    const two = s0 + ((a & b) ^ (a & c) ^ (b & c));
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) & WORD, c, b, a, (one + two) & WORD];
  }
  return [a, b, c, d, e, f, g, h].map((word, place) => (word + state[place]) & WORD);
}
