// SPDX-License-Identifier: Apache-2.0
// DER, as much of it as time stamps and certificates need: values with their tags, read strictly (X.690). Lengths are
// in their shortest form, and whatever is inside a value fills it.

import { bigEndian, concat, toHex } from "./bytes.js";
import { Malformed } from "./errors.js";

export const INTEGER_TAG = 0x02;
export const BITS_TAG = 0x03;
export const OCTETS_TAG = 0x04;
const OID_TAG = 0x06;
export const SEQUENCE_TAG = 0x30;
export const SET_TAG = 0x31;
export const CONTEXT_0 = 0xa0;
export const CONTEXT_2 = 0xa2;
export const CONTEXT_3 = 0xa3;
const UTC_TIME_TAG = 0x17;
const TIME_TAG = 0x18;
const LONG = 0x80;
const MAX_LENGTH_BYTES = 4;

/** Read exactly one value: { tag, content, encoded }; Malformed for anything else, bytes behind it included. */
export function readDer(data) {
  const value = valueAt(data, 0);
  if (value.encoded.length !== data.length) throw new Malformed("der.behind");
  return value;
}

function valueAt(data, start) {
  if (data.length < start + 2) throw new Malformed("der.end");
  const tag = data[start];
  let length = data[start + 1];
  let at = start + 2;
  if ((tag & 0x1f) === 0x1f) throw new Malformed("der.tag");
  if (length >= LONG) {
    const count = length - LONG;
    const digits = data.subarray(at, at + count);
    length = Number(bigEndian(digits));
    at += count;
    const isShort = count > 0 && count <= MAX_LENGTH_BYTES && digits.length === count && digits[0] !== 0;
    if (!isShort || length < LONG) throw new Malformed("der.length");
  }
  if (at + length > data.length) throw new Malformed("der.end");
  return { tag, content: data.subarray(at, at + length), encoded: data.subarray(start, at + length) };
}

/** The content of a value that must have a tag. */
export function contentOf(value, tag) {
  if (value === undefined || value.tag !== tag) throw new Malformed("der.expected", { tag: tag.toString(16) });
  return value.content;
}

/** The values inside a constructed one that must have a tag and at least so many of them. */
export function itemsIn(value, tag, least = 0) {
  const content = contentOf(value, tag);
  const found = [];
  for (let at = 0; at < content.length; at += found[found.length - 1].encoded.length) found.push(valueAt(content, at));
  if (found.length < least) throw new Malformed("der.few", { least, tag: tag.toString(16) });
  return found;
}

/** The one value inside an explicit tag. */
export function explicit(value, tag) {
  return readDer(contentOf(value, tag));
}

/** An object identifier as hex, by which they are compared here. */
export function oidOf(value) {
  return toHex(contentOf(value, OID_TAG));
}

/** An object identifier (hex) as people write it. */
export function dotted(hex) {
  const numbers = [];
  let number = 0n;
  for (const digits of hex.match(/../g) || []) {
    const byte = BigInt(`0x${digits}`);
    number = (number << 7n) | (byte & 0x7fn);
    if (byte & 0x80n) continue;
    numbers.push(number);
    number = 0n;
  }
  const [first = 0n, ...rest] = numbers;
  const top = first < 80n ? first / 40n : 2n;
  return [top, first - 40n * top, ...rest].join(".");
}

/** An integer, which may be negative. */
export function integerOf(value, tag = INTEGER_TAG) {
  const content = contentOf(value, tag);
  if (!content.length) throw new Malformed("der.end");
  return BigInt.asIntN(8 * content.length, bigEndian(content));
}

/** A value with this tag around a content, for what is signed under another tag than it is written with. */
export function retagged({ encoded }, tag) {
  return concat(Uint8Array.of(tag), encoded.subarray(1));
}

/** A time of a certificate or a time stamp as Unix time in microseconds (BigInt), rounded down. */
export function timeOf(value) {
  const isShort = value !== undefined && value.tag === UTC_TIME_TAG;
  const text = String.fromCharCode(...contentOf(value, isShort ? UTC_TIME_TAG : TIME_TAG));
  const whole = isShort ? `${Number(text.slice(0, 2)) < 50 ? "20" : "19"}${text}` : text;
  const found = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d+))?Z$/.exec(whole);
  if (found === null) throw new Malformed("der.time", { found: text.slice(0, 40) });
  const parts = found.slice(1, 7).map(Number);
  const at = new Date(0);
  at.setUTCFullYear(parts[0], parts[1] - 1, parts[2]);
  at.setUTCHours(parts[3], parts[4], parts[5]);
  const isReal = at.getUTCMonth() === parts[1] - 1 && at.getUTCDate() === parts[2] && parts[3] < 24 && parts[4] < 60;
  if (!isReal || parts[5] > 59 || parts[0] < 1) throw new Malformed("der.time", { found: text.slice(0, 40) });
  return BigInt(at.getTime()) * 1000n + BigInt((found[7] || "").slice(0, 6).padEnd(6, "0"));
}
