// SPDX-License-Identifier: Apache-2.0
// Bytes: hex and base64 in their one form, integers of both orders, and a cursor that knows what is left.
// Every reader of a format stands on it. Integers of a format are BigInt, lengths are numbers.

import { Malformed } from "./errors.js";

export const HASH_SIZE = 32;
export const ZERO_HASH = new Uint8Array(HASH_SIZE);

export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function sameBytes(one, other) {
  return one.length === other.length && one.every((value, at) => value === other[at]);
}

export function startsWith(bytes, start) {
  return sameBytes(bytes.slice(0, start.length), start);
}

export function reversed(bytes) {
  return Uint8Array.from(bytes).reverse();
}

/** Bytes of a reason that somebody states in UTF-8: a sentence, which can never be erased. */
export const MAX_REASON = 500;
// Controls, line ends and marks that turn the direction of writing: what is shown must be what was meant.
const NOT_PLAIN = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

/** Whether text is one line without characters that are not seen and change what is. */
export function isPlainLine(text) {
  return !NOT_PLAIN.test(text);
}

/** The text of bytes in UTF-8, or null where they are none. */
export function strictText(raw) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
  } catch {
    return null;
  }
}

export function utf8(text) {
  return new TextEncoder().encode(text);
}

const HEX_OF = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, "0"));

export function toHex(bytes) {
  let text = "";
  for (const value of bytes) text += HEX_OF[value];
  return text;
}

/** A hash (internal order) as explorers and RPCs write it. */
export function displayHex(hash) {
  return toHex(reversed(hash));
}

function hexDigit(code) {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;
}

/** The bytes of lower-case hex digits in pairs, or null for any other text. */
export function bytesOfHex(text) {
  if (text.length % 2) return null;
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++) {
    const high = hexDigit(text.charCodeAt(2 * at));
    const low = hexDigit(text.charCodeAt(2 * at + 1));
    if (high < 0 || low < 0) return null;
    bytes[at] = (high << 4) | low;
  }
  return bytes;
}

export function fromHex(text, what, exact = null) {
  const bytes = bytesOfHex(text);
  if (bytes === null) throw new Malformed("form.hex", { what, found: text.slice(0, 40) });
  return exact === null ? bytes : exactly(bytes, exact, what);
}

export function exactly(bytes, size, what) {
  if (bytes.length !== size) throw new Malformed("form.exact", { what, size, found: bytes.length });
  return bytes;
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_VALUE = new Int16Array(128).fill(-1);
for (let at = 0; at < 64; at++) BASE64_VALUE[BASE64.charCodeAt(at)] = at;

function base64Value(text, at) {
  const code = text.charCodeAt(at);
  return code < 128 ? BASE64_VALUE[code] : -1;
}

/** The bytes of standard base64 that re-encodes to itself, or null (RFC 4648 section 4, no spare bits set). */
export function bytesOfBase64(text) {
  if (text.length % 4) return null;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const digits = text.length - padding;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let bits = 0;
  let held = 0;
  let place = 0;
  for (let at = 0; at < digits; at++) {
    const value = base64Value(text, at);
    if (value < 0) return null;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[place++] = (held >> bits) & 0xff;
    }
  }
  return held & ((1 << bits) - 1) ? null : bytes;
}

export function fromBase64(text, what, size = null) {
  const bytes = bytesOfBase64(text);
  if (bytes === null) throw new Malformed("form.base64", { what, found: text.slice(0, 40) });
  return size === null ? bytes : exactly(bytes, size, what);
}

// The forms of UTF-8 (RFC 3629 section 4), each of a first byte, a second one, and as many more; else a single byte.
const UTF8_FORMS = [
  "[\\0-\\x7f]+",
  ...["[\\xc2-\\xdf][\\x80-\\xbf]", "\\xe0[\\xa0-\\xbf][\\x80-\\xbf]", "[\\xe1-\\xec\\xee\\xef][\\x80-\\xbf]{2}"],
  ...["\\xed[\\x80-\\x9f][\\x80-\\xbf]", "\\xf0[\\x90-\\xbf][\\x80-\\xbf]{2}"],
  ...["[\\xf1-\\xf3][\\x80-\\xbf]{3}", "\\xf4[\\x80-\\x8f][\\x80-\\xbf]{2}", "[^]"],
];
const WELL_FORMED = new RegExp(UTF8_FORMS.join("|"), "g");

/** Bytes as text for people: UTF-8, and each byte that is none as \xNN. */
export function textOf(bytes) {
  const latin = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return latin.replace(WELL_FORMED, (each) => {
    if (each.length === 1 && each >= "\x80") return `\\x${HEX_OF[each.charCodeAt(0)]}`;
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(each, (code) => code.charCodeAt(0)));
  });
}

/** The big-endian unsigned integer in `bytes`. */
export function bigEndian(bytes) {
  return bytes.length ? BigInt("0x" + toHex(bytes)) : 0n;
}

/** The little-endian unsigned integer in `bytes`. */
export function littleEndian(bytes) {
  return bigEndian(reversed(bytes));
}

/** `value` in `size` big-endian bytes; the caller knows that it fits. */
export function bigEndianBytes(value, size) {
  return bytesOfHex(value.toString(16).padStart(2 * size, "0"));
}

export function littleEndianBytes(value, size) {
  return bigEndianBytes(value, size).reverse();
}

/** Takes one piece after the other; a length is compared with what is left before it is used. */
export class Cursor {
  constructor(data, limit, whole) {
    if (data.length > limit) throw new Malformed("form.size", { what: whole, limit, found: data.length });
    this.data = data;
    this.at = 0;
  }

  left() {
    return this.data.length - this.at;
  }

  take(count, what) {
    if (count > this.left()) throw new Malformed("form.lacking", { count, what, at: this.at, left: this.left() });
    this.at += count;
    return this.data.slice(this.at - count, this.at);
  }

  byte(what) {
    return this.take(1, what)[0];
  }

  /** A big-endian length of `size` bytes (at most 4). */
  length(size, what) {
    return Number(bigEndian(this.take(size, what)));
  }

  /** A big-endian integer of `size` bytes. */
  integer(size, what) {
    return bigEndian(this.take(size, what));
  }

  /** Bytes that a big-endian length of `size` bytes precedes. */
  prefixed(size, what) {
    return this.take(this.length(size, what), what);
  }

  end() {
    if (this.left()) throw new Malformed("form.trailing", { at: this.at, left: this.left() });
  }
}
