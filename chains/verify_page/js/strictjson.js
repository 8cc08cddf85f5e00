// SPDX-License-Identifier: Apache-2.0
// Strict JSON (docs/spec/strict-json.md): the part of RFC 8259 on which Python and JavaScript agree.
// JSON.parse takes double names, fractions and lone surrogates, so files are read here: objects become Map, integers
// BigInt. `Fields` takes each field of an object once and refuses what nobody took.

import { fromBase64, fromHex } from "./bytes.js";
import { Malformed, Newer } from "./errors.js";

const MAX_DEPTH = 16;
const MAX_INTEGER = 2n ** 53n - 1n;
const LONE_SURROGATE = /\p{Surrogate}/u;
const INTEGER = /-?(?:0|[1-9][0-9]*)/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPES = new Map([...'"\\/', "b\b", "f\f", "n\n", "r\r", "t\t"].map((pair) => [pair[0], pair[pair.length - 1]]));
const WORDS = [["true", true], ["false", false], ["null", null]];

/** The object in `data` as a Map; Malformed for everything else. `limit` is in bytes. */
export function parseStrict(data, what, limit) {
  if (data.length > limit) throw new Malformed("form.size", { what, limit, found: data.length });
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw new Malformed("json.utf8", { what });
  }
  const scanner = new Scanner(text, what);
  const value = scanner.value(1);
  scanner.space();
  if (scanner.at !== text.length) throw scanner.wrong();
  if (!(value instanceof Map)) throw new Malformed("json.object", { what });
  return value;
}

class Scanner {
  constructor(text, what) {
    this.text = text;
    this.what = what;
    this.at = 0;
  }

  wrong() {
    return new Malformed("json.syntax", { what: this.what, at: this.at });
  }

  space() {
    while (" \t\n\r".includes(this.text[this.at] || "x")) this.at++;
  }

  /** Whether the next character after white space is `wanted`; it is taken if so. */
  takes(wanted) {
    this.space();
    if (this.text[this.at] !== wanted) return false;
    this.at++;
    return true;
  }

  matched(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) throw this.wrong();
    this.at = pattern.lastIndex;
    return found[0];
  }

  value(depth) {
    this.space();
    const first = this.text[this.at];
    if (first === '"') return this.string();
    if (first === "{" || first === "[") {
      if (depth > MAX_DEPTH) throw new Malformed("json.depth", { what: this.what, limit: MAX_DEPTH });
      this.at++;
      return first === "{" ? this.object(depth) : this.array(depth);
    }
    for (const [word, value] of WORDS) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.integer();
  }

  object(depth) {
    const fields = new Map();
    if (this.takes("}")) return fields;
    do {
      this.space();
      if (this.text[this.at] !== '"') throw this.wrong();
      const name = this.string();
      if (fields.has(name)) throw new Malformed("json.twice", { what: this.what, name: name.slice(0, 60) });
      if (!this.takes(":")) throw this.wrong();
      fields.set(name, this.value(depth + 1));
    } while (this.takes(","));
    if (!this.takes("}")) throw this.wrong();
    return fields;
  }

  array(depth) {
    const items = [];
    if (this.takes("]")) return items;
    do items.push(this.value(depth + 1));
    while (this.takes(","));
    if (!this.takes("]")) throw this.wrong();
    return items;
  }

  integer() {
    const digits = this.matched(INTEGER);
    if (/[.eE]/.test(this.text[this.at] || "")) throw this.wrong();
    if (digits === "-0" || digits.length > 17) throw this.wrong();
    const value = BigInt(digits);
    if (value > MAX_INTEGER || value < -MAX_INTEGER) throw this.wrong();
    return value;
  }

  string() {
    this.at++;
    const parts = [];
    for (;;) {
      parts.push(this.matched(PLAIN));
      const next = this.text[this.at++];
      if (next === '"') break;
      if (next !== "\\") throw this.wrong();
      parts.push(this.escaped());
    }
    const whole = parts.length === 1 ? parts[0] : parts.join("");
    if (LONE_SURROGATE.test(whole)) throw new Malformed("json.surrogate", { what: this.what });
    return whole;
  }

  escaped() {
    const letter = this.text[this.at++];
    if (letter !== "u") {
      if (!ESCAPES.has(letter)) throw this.wrong();
      return ESCAPES.get(letter);
    }
    const digits = this.text.slice(this.at, this.at + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw this.wrong();
    this.at += 4;
    return String.fromCharCode(parseInt(digits, 16));
  }
}

/** How many code points a text has: what other languages count. */
export function codePoints(text) {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** The fields of one JSON object, each taken once; `end` refuses what nobody took. */
export class Fields {
  constructor(value, what) {
    if (!(value instanceof Map)) throw new Malformed("json.object", { what });
    this.left = new Map(value);
    this.what = what;
  }

  has(name) {
    return this.left.has(name);
  }

  take(name) {
    if (!this.left.has(name)) throw new Malformed("json.lacking", { what: this.what, name });
    const value = this.left.get(name);
    this.left.delete(name);
    return value;
  }

  format(wanted) {
    const found = this.text("format");
    if (found === wanted) return;
    const family = wanted.slice(0, wanted.indexOf("/") + 1);
    const values = { what: this.what, found: found.slice(0, 60), wanted };
    throw found.startsWith(family) ? new Newer("json.newer", values) : new Malformed("json.format", values);
  }

  text(name) {
    const value = this.take(name);
    if (typeof value !== "string") throw new Malformed("json.string", { what: this.what, name });
    return value;
  }

  integer(name) {
    const value = this.take(name);
    if (typeof value !== "bigint" || value < 0n) throw new Malformed("json.integer", { what: this.what, name });
    return value;
  }

  array(name, limit) {
    const value = this.take(name);
    if (!Array.isArray(value)) throw new Malformed("json.array", { what: this.what, name });
    if (value.length > limit) throw new Malformed("json.items", { what: this.what, name, limit, found: value.length });
    return value;
  }

  hex(name, { maximum = null, exact = null }) {
    const text = this.text(name);
    const what = `${this.what}.${name}`;
    if (maximum !== null && text.length > 2 * maximum) {
      throw new Malformed("form.size", { what, limit: maximum, found: text.length >> 1 });
    }
    return fromHex(text, what, exact);
  }

  hashes(name, limit) {
    const what = `${this.what}.${name}`;
    return this.array(name, limit).map((value) => {
      if (typeof value !== "string") throw new Malformed("json.string", { what: this.what, name });
      return fromHex(value, what, 32);
    });
  }

  /** 1 to `most` bytes in base64, their number checked before they are decoded. */
  base64(name, most) {
    const text = this.text(name);
    const what = `${this.what}.${name}`;
    if (text.length === 0 || text.length > Math.floor((most + 2) / 3) * 4) {
      throw new Malformed("form.size", { what, limit: most, found: text.length });
    }
    const data = fromBase64(text, what);
    if (data.length > most) throw new Malformed("form.size", { what, limit: most, found: data.length });
    return data;
  }

  end() {
    if (this.left.size) throw new Malformed("json.unknown", { what: this.what, name: [...this.left.keys()][0] });
  }
}
