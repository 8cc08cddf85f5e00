// SPDX-License-Identifier: Apache-2.0
// Networks that this page does not know, from a file of the visitor's (docs/operate/networks.md): a record in TOML, read
// where it is written plainly, one field a line. What a verifier needs of a record is checked; what only the service
// needs is read past.

import { checkWork, decodeHeader, NETWORKS, networkOf, targetFromBits } from "./bitcoin.js";
import { bigEndian, bytesOfHex, strictText } from "./bytes.js";
import { Malformed } from "./errors.js";

export const MAX_NETWORKS_FILE = 65536;
const MAX_NETWORKS = 32;
const MAX_WORTH = 500;
const NETWORK_NAME = /^[a-z][a-z0-9-]{0,31}$/;
const REQUIRED = ["genesis_header", "message_start", "pow_limit_bits", "proof_of_work_note"];
const OF_SERVICE = ["address_hrp", "p2p_port", "rpc_port"];
const OPTIONAL = [
  ...["period", "retargets", "eases_after_s", "is_bip94", "least_version", "unseen", "watch_depth", "final_depth"],
  ...["fee_floor_sat_per_vb", "fee_fallback_sat_per_vb", "fee_cap_sat_per_vb", "coin_floor_sat", "spending_cap_sat"],
  "esplora_urls",
];
const TABLE = /^\s*\[\s*networks\s*\.\s*([A-Za-z0-9_-]+)\s*\]\s*(?:#.*)?$/;
const LINE_OF_FIELD = /^\s*([A-Za-z0-9_-]+)\s*=\s*(.*)$/;
const TEXT = /^"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\["\\])*)"\s*(?:#.*)?$/;
// Numbers, words and lists of one line, of which the page needs none.
const OTHER_VALUE = /^(?:[-+0-9][-+0-9._eE]*|true|false|\[[^#]*\])\s*(?:#.*)?$/;

/** Whether a text may be a file of networks. */
export function isNetworksFile(text) {
  return text.split("\n").some((line) => TABLE.test(line));
}

/** The built-in networks and those of the file, by name; Malformed for any other file. */
export function decodeNetworks(data) {
  const what = "networks file";
  if (data.length > MAX_NETWORKS_FILE) {
    throw new Malformed("form.size", { what, limit: MAX_NETWORKS_FILE, found: data.length });
  }
  const text = strictText(data);
  if (text === null) throw new Malformed("networks.utf8");
  const records = recordsIn(text);
  if (!records.size || records.size > MAX_NETWORKS) {
    throw new Malformed("networks.count", { limit: MAX_NETWORKS, found: records.size });
  }
  const networks = new Map(NETWORKS);
  for (const [name, fields] of records) networks.set(name, checkedNew(rulesFrom(name, fields), networks));
  return networks;
}

/** The fields of each record by its name; a value is a text, or null where it is none. */
function recordsIn(text) {
  const records = new Map();
  let fields = null;
  text.split(/\r?\n/).forEach((line, place) => {
    const values = { line: place + 1 };
    if (/^\s*(?:#.*)?$/.test(line)) return;
    const table = TABLE.exec(line);
    if (table !== null) {
      if (records.has(table[1])) throw new Malformed("networks.twice", { ...values, name: table[1] });
      fields = new Map();
      records.set(table[1], fields);
      return;
    }
    const field = LINE_OF_FIELD.exec(line);
    if (field === null || fields === null) throw new Malformed("networks.line", values);
    if (fields.has(field[1])) throw new Malformed("networks.twice", { ...values, name: field[1] });
    const quoted = TEXT.exec(field[2]);
    if (quoted === null && !OTHER_VALUE.test(field[2])) throw new Malformed("networks.line", values);
    fields.set(field[1], quoted === null ? null : quoted[1].replace(/\\(.)/g, "$1"));
  });
  return records;
}

function rulesFrom(name, fields) {
  if (!NETWORK_NAME.test(name)) throw new Malformed("networks.name", { name });
  const known = [...REQUIRED, ...OF_SERVICE, ...OPTIONAL];
  for (const field of fields.keys()) {
    if (!known.includes(field)) throw new Malformed("networks.field", { name, field, known: known.join(", ") });
  }
  for (const field of [...REQUIRED, ...OF_SERVICE]) {
    if (!fields.has(field)) throw new Malformed("networks.lacking", { name, field });
  }
  const [header, start, bits, note] = REQUIRED.map((field) => fields.get(field));
  const genesis = decodeHeader(hexOf(name, "genesis_header", header, 160));
  const powLimit = limitOf(name, bits);
  checkWork(genesis, powLimit);
  if (note === null || !note.length || [...note].length > MAX_WORTH || /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(note)) {
    throw new Malformed("networks.note", { name, limit: MAX_WORTH });
  }
  return { name, genesis: genesis.hash, messageStart: hexOf(name, "message_start", start, 8), powLimit, worth: note };
}

function hexOf(name, field, text, digits) {
  const bytes = text === null || text.length !== digits ? null : bytesOfHex(text);
  if (bytes === null) throw new Malformed("networks.hex", { name, field, digits });
  return bytes;
}

/** The target of compact bits in their shortest form, as in a header of the lowest difficulty. */
function limitOf(name, bits) {
  const number = bigEndian(hexOf(name, "pow_limit_bits", bits, 8));
  const limit = targetFromBits(number);
  const digits = limit.toString(16);
  const whole = digits.length % 2 ? `0${digits}` : digits;
  const least = whole[0] >= "8" ? `00${whole}` : whole;
  const shortest = BigInt(least.length / 2) * 2n ** 24n + BigInt(`0x${least.slice(0, 6).padEnd(6, "0")}`);
  if (shortest !== number) throw new Malformed("networks.bits", { name, found: bits });
  return limit;
}

/** Refuse a record that changes what a name means, or gives a known network a second name. */
function checkedNew(rules, known) {
  const { name } = rules;
  if (known.has(name)) throw new Malformed("networks.known", { name });
  const other = networkOf(rules, known);
  if (other !== null) throw new Malformed("networks.same", { name, other: other.name });
  return rules;
}
