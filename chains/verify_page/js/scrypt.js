// SPDX-License-Identifier: Apache-2.0
// scrypt (RFC 7914): a key from a password, which costs whoever guesses as much memory and time. WebCrypto has none, so
// the mixing is here; the HMAC in the PBKDF2 at both ends of it is WebCrypto's.

import { concat } from "./bytes.js";

const BLOCK_WORDS = 16;
const HMAC_BLOCK = 64;
const HMAC_BYTES = 32;
// Between two looks at the clock: some milliseconds of mixing.
const PACED_ROUNDS = 1024;

/**
 * 32 bytes from a password and a salt (bytes): `n` a power of two, `r` and `p` as in RFC 7914, section 2; 128 n r bytes
 * of memory. `advance` hears of rounds as they are done, 2 n p in all, and may stop it by throwing. Words are taken as
 * the machine has them, which is little-endian wherever there are browsers.
 */
export async function scrypt(password, salt, { n, r, p }, advance) {
  const mixed = await pbkdf2(password, salt, 128 * r * p);
  const words = new Uint32Array(mixed.buffer);
  const size = 2 * BLOCK_WORDS * r;
  const room = new Uint32Array(size * n);
  for (let lane = 0; lane < p; lane++) await mix(words.subarray(lane * size, (lane + 1) * size), room, n, r, advance);
  return pbkdf2(password, mixed, 32);
}

/**
 * PBKDF2 with HMAC-SHA-256 and one iteration (RFC 8018, section 5.2): an HMAC for each 32 bytes. Firefox's own gives no
 * more than 256 bytes, and four times as many are wanted.
 */
async function pbkdf2(password, salt, size) {
  const secret = password.length ? password : new Uint8Array(HMAC_BLOCK); // the same key; WebCrypto takes no empty one
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const found = new Uint8Array(Math.ceil(size / HMAC_BYTES) * HMAC_BYTES);
  for (let at = 0, number = 1; at < size; at += HMAC_BYTES, number++) {
    const numbered = concat(salt, Uint8Array.of(number >>> 24, number >>> 16, number >>> 8, number));
    found.set(new Uint8Array(await crypto.subtle.sign("HMAC", key, numbered)), at);
  }
  return found.slice(0, size);
}

/** scryptROMix (section 5), in place. */
async function mix(words, room, n, r, advance) {
  const size = words.length;
  const last = size - BLOCK_WORDS;
  let now = words.slice();
  let next = new Uint32Array(size);
  for (let round = 0; round < n; round++) {
    room.set(now, round * size);
    mixBlocks(now, next, r);
    [now, next] = [next, now];
    if (round % PACED_ROUNDS === 0) await advance(PACED_ROUNDS);
  }
  for (let round = 0; round < n; round++) {
    const at = (now[last] & (n - 1)) * size;
    for (let word = 0; word < size; word++) now[word] ^= room[at + word];
    mixBlocks(now, next, r);
    [now, next] = [next, now];
    if (round % PACED_ROUNDS === 0) await advance(PACED_ROUNDS);
  }
  words.set(now);
}

const held = new Uint32Array(BLOCK_WORDS);

/** scryptBlockMix (section 4): blocks at even places come first, those at odd ones behind. */
function mixBlocks(from, to, r) {
  held.set(from.subarray(from.length - BLOCK_WORDS));
  for (let block = 0; block < 2 * r; block++) {
    const at = block * BLOCK_WORDS;
    for (let word = 0; word < BLOCK_WORDS; word++) held[word] ^= from[at + word];
    salsa();
    to.set(held, ((block >> 1) + (block & 1) * r) * BLOCK_WORDS);
  }
}

/** Salsa20/8 of `held`, in place (section 3). Variables are far faster here than places of an array. */
function salsa() {
  let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  a = held[0] | 0; b = held[1] | 0; c = held[2] | 0; d = held[3] | 0;
  e = held[4] | 0; f = held[5] | 0; g = held[6] | 0; h = held[7] | 0;
  i = held[8] | 0; j = held[9] | 0; k = held[10] | 0; l = held[11] | 0;
  m = held[12] | 0; n = held[13] | 0; o = held[14] | 0; p = held[15] | 0;
  let t = 0;
  for (let round = 0; round < 4; round++) {
    // columns
    t = (a + m) | 0; e ^= (t << 7) | (t >>> 25);
    t = (e + a) | 0; i ^= (t << 9) | (t >>> 23);
    t = (i + e) | 0; m ^= (t << 13) | (t >>> 19);
    t = (m + i) | 0; a ^= (t << 18) | (t >>> 14);
    t = (f + b) | 0; j ^= (t << 7) | (t >>> 25);
    t = (j + f) | 0; n ^= (t << 9) | (t >>> 23);
    t = (n + j) | 0; b ^= (t << 13) | (t >>> 19);
    t = (b + n) | 0; f ^= (t << 18) | (t >>> 14);
    t = (k + g) | 0; o ^= (t << 7) | (t >>> 25);
    t = (o + k) | 0; c ^= (t << 9) | (t >>> 23);
    t = (c + o) | 0; g ^= (t << 13) | (t >>> 19);
    t = (g + c) | 0; k ^= (t << 18) | (t >>> 14);
    t = (p + l) | 0; d ^= (t << 7) | (t >>> 25);
    t = (d + p) | 0; h ^= (t << 9) | (t >>> 23);
    t = (h + d) | 0; l ^= (t << 13) | (t >>> 19);
    t = (l + h) | 0; p ^= (t << 18) | (t >>> 14);
    // rows
    t = (a + d) | 0; b ^= (t << 7) | (t >>> 25);
    t = (b + a) | 0; c ^= (t << 9) | (t >>> 23);
    t = (c + b) | 0; d ^= (t << 13) | (t >>> 19);
    t = (d + c) | 0; a ^= (t << 18) | (t >>> 14);
    t = (f + e) | 0; g ^= (t << 7) | (t >>> 25);
    t = (g + f) | 0; h ^= (t << 9) | (t >>> 23);
    t = (h + g) | 0; e ^= (t << 13) | (t >>> 19);
    t = (e + h) | 0; f ^= (t << 18) | (t >>> 14);
    t = (k + j) | 0; l ^= (t << 7) | (t >>> 25);
    t = (l + k) | 0; i ^= (t << 9) | (t >>> 23);
    t = (i + l) | 0; j ^= (t << 13) | (t >>> 19);
    t = (j + i) | 0; k ^= (t << 18) | (t >>> 14);
    t = (p + o) | 0; m ^= (t << 7) | (t >>> 25);
    t = (m + p) | 0; n ^= (t << 9) | (t >>> 23);
    t = (n + m) | 0; o ^= (t << 13) | (t >>> 19);
    t = (o + n) | 0; p ^= (t << 18) | (t >>> 14);
  }
  held[0] += a; held[1] += b; held[2] += c; held[3] += d;
  held[4] += e; held[5] += f; held[6] += g; held[7] += h;
  held[8] += i; held[9] += j; held[10] += k; held[11] += l;
  held[12] += m; held[13] += n; held[14] += o; held[15] += p;
}
