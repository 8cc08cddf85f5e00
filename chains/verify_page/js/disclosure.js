// SPDX-License-Identifier: Apache-2.0
// Disclosures (docs/spec/fields.md): some fields of a JSON document that was recorded by its fields. A disclosure leads
// to the document of the entry, whose SHA-256 the receipt is judged with.

import { bigEndianBytes, concat, HASH_SIZE, sameBytes, toHex, utf8 } from "./bytes.js";
import { Malformed, Refused } from "./errors.js";
import { checkInclusion, leafHash } from "./merkle.js";
import { sha256 } from "./sha256.js";
import { notChecked, ok } from "./steps.js";
import { Fields, parseStrict } from "./strictjson.js";
import { counted, printable, say } from "./texts.js";

export const FIELDS_FORMAT = "anchorline-fields/1";
export const FIELDS_MEDIA_TYPE = "application/vnd.anchorline.fields+json";
export const DISCLOSURE_FORMAT = "anchorline-disclosure/1";
export const MAX_DISCLOSURE = 16 * 2 ** 20;
/** More than a receipt has besides content. */
const MAX_RECEIPT_IN_IT = 4 * 2 ** 20;
const MAX_FIELDS = 4096;
const MAX_TREE_PATH = 12;
const MAX_FIELDS_DOCUMENT = 4096;
const MAX_STEPS = 16;
const FIELD_MAX_NAME = 4096;
const MAX_VALUE = 2 ** 20;
const MAX_NUMBER = 1024;
const FIELD_SALT_SIZE = 16;
const FIELD_LEAF = 0x32;
const MEMBER = 0;
const ELEMENT = 1;
/** In the order of their numbers. */
export const KINDS_OF_VALUES = ["null", "false", "true", "number", "string", "object", "array"];
/** What the kinds without a text are in JSON. */
const ONLY_VALUES = { null: "null", false: "false", true: "true", object: "{}", array: "[]" };
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/** Read what is recorded in the place of a JSON document; Malformed unless it is its only form. */
export function decodeFieldsDocument(data) {
  const fields = new Fields(parseStrict(data, "document of fields", MAX_FIELDS_DOCUMENT), "document of fields");
  fields.format(FIELDS_FORMAT);
  const document = { fields: fields.integer("fields"), root: fields.hex("root", { exact: HASH_SIZE }) };
  fields.end();
  if (document.fields < 1n || document.fields > MAX_FIELDS) throw new Malformed("fields.count", { limit: MAX_FIELDS });
  const lines = [`"format": "${FIELDS_FORMAT}"`, `"fields": ${document.fields}`, `"root": "${toHex(document.root)}"`];
  if (!sameBytes(utf8(`{\n ${lines.join(",\n ")}\n}\n`), data)) throw new Malformed("fields.form");
  return document;
}

/** Read a disclosure; nothing is checked but its form. `receipt` is the receipt that is in it, as bytes, or null. */
export function decodeDisclosure(data) {
  const fields = new Fields(parseStrict(data, "disclosure", MAX_DISCLOSURE), "disclosure");
  fields.format(DISCLOSURE_FORMAT);
  const raw = utf8(fields.text("document"));
  const document = decodeFieldsDocument(raw);
  const receipt = fields.has("receipt") ? utf8(fields.text("receipt")) : null;
  if (receipt !== null && receipt.length > MAX_RECEIPT_IN_IT) {
    throw new Malformed("form.size", { what: "receipt", limit: MAX_RECEIPT_IN_IT, found: receipt.length });
  }
  const shown = fields.array("shown", MAX_FIELDS).map(shownField);
  fields.end();
  const isAscending = shown.every(({ index }, at) => at === 0 || shown[at - 1].index < index);
  if (!shown.length || !isAscending) throw new Malformed("fields.order");
  checkPlaces(shown.map(({ place }) => place));
  return { document, documentDigest: sha256(raw), receipt, shown };
}

function shownField(item) {
  const fields = new Fields(item, "field");
  const place = fields.array("place", MAX_STEPS).map(stepOf);
  const type = fields.text("type");
  const kind = KINDS_OF_VALUES.indexOf(type);
  if (kind < 0) throw new Malformed("fields.type", { types: KINDS_OF_VALUES.join(", "), found: type.slice(0, 40) });
  const text = type in ONLY_VALUES ? "" : fields.text("value");
  const salt = fields.hex("salt", { exact: FIELD_SALT_SIZE });
  const shown = { place, type, text, salt, index: fields.integer("index"), path: fields.hashes("path", MAX_TREE_PATH) };
  fields.end();
  return { ...shown, pointer: pointerOf(place), hash: leafHash(fieldLeaf(place, kind, text, salt)) };
}

function stepOf(step) {
  if (typeof step === "string" || (typeof step === "bigint" && step >= 0n && step < MAX_FIELDS)) return step;
  throw new Malformed("fields.place", { last: MAX_FIELDS - 1 });
}

/** 32 ‖ salt ‖ number of steps ‖ steps ‖ kind ‖ value; Malformed for what no field is. */
export function fieldLeaf(place, kind, text, salt) {
  const value = utf8(text);
  const pointer = pointerOf(place).slice(0, 80);
  if (value.length > MAX_VALUE) throw new Malformed("fields.value", { pointer, limit: MAX_VALUE });
  const isNumber = KINDS_OF_VALUES[kind] === "number";
  if (isNumber && (text.length > MAX_NUMBER || !NUMBER.test(text))) {
    throw new Malformed("fields.number", { limit: MAX_NUMBER, found: text.slice(0, 40) });
  }
  if (place.length > MAX_STEPS) throw new Malformed("fields.deep", { limit: MAX_STEPS });
  const steps = place.map(encodedStep);
  const head = Uint8Array.of(FIELD_LEAF);
  return concat(head, salt, Uint8Array.of(steps.length), ...steps, Uint8Array.of(kind), value);
}

function encodedStep(step) {
  if (typeof step === "bigint") return concat(Uint8Array.of(ELEMENT), bigEndianBytes(step, 4));
  const name = utf8(step);
  if (name.length > FIELD_MAX_NAME) throw new Malformed("fields.name", { found: step.slice(0, 40), limit: FIELD_MAX_NAME });
  return concat(Uint8Array.of(MEMBER), bigEndianBytes(BigInt(name.length), 2), name);
}

/** A place as a JSON Pointer (RFC 6901). */
function pointerOf(place) {
  return place.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** Malformed unless one JSON document can have fields at all of these places. */
function checkPlaces(places) {
  const keyOf = (place) => JSON.stringify(place.map((step) => (typeof step === "bigint" ? Number(step) : step)));
  const taken = new Map();
  const inner = new Map();
  for (const place of places) {
    const pointer = pointerOf(place).slice(0, 80);
    if (taken.has(keyOf(place))) throw new Malformed("fields.twice", { pointer });
    taken.set(keyOf(place), pointer);
    place.forEach((step, depth) => {
      const above = keyOf(place.slice(0, depth));
      const isElement = typeof step === "bigint";
      if (inner.has(above) && inner.get(above) !== isElement) throw new Malformed("fields.mixed", { pointer });
      inner.set(above, isElement);
    });
  }
  for (const [key, pointer] of taken) {
    if (inner.has(key)) throw new Malformed("fields.below", { pointer });
  }
}

/** Refused unless the fields are those that the document commits to, their leaves in the order of their hashes. */
export function checkDisclosure({ document, shown }) {
  for (const { hash, index, path } of shown) checkInclusion(hash, index, document.fields, path, document.root);
  const hashes = shown.map(({ hash }) => toHex(hash));
  if (hashes.some((hash, at) => at > 0 && hashes[at - 1] >= hash)) {
    throw new Refused("inclusion-wrong", "fields.hash-order");
  }
}

/** Step 2 of a disclosure; a file at hand is not compared here. */
export function disclosureStep(disclosure, isFileAtHand) {
  checkDisclosure(disclosure);
  const { fields, withheld } = disclosureFacts(disclosure);
  if (isFileAtHand) return notChecked(2, "2.fields-file");
  if (withheld === 0) return ok(2, "2.fields-all", { fields: counted(fields, "fields") });
  return ok(2, "2.fields-some", { shown: fields - withheld, fields });
}

/** What a disclosure shows, as `verify --json` has it under `disclosure`. */
export function disclosureFacts({ document, shown }) {
  const fields = Number(document.fields);
  const facts = sortedByPointer(shown).map(({ pointer, type, text }) => {
    return { pointer, type, value: type in ONLY_VALUES ? ONLY_VALUES[type] : text };
  });
  return { fields, withheld: fields - shown.length, shown: facts };
}

/** The same for people, a line for each field. */
export function disclosureLines({ shown, withheld }) {
  const lines = shown.map(({ pointer, type, value }) => {
    const text = type === "string" ? quotedValue(value) : value;
    return `${printable(pointer) || say("fields.whole")}: ${text}`;
  });
  return withheld === 0 ? lines : [...lines, say("fields.withheld", { fields: counted(withheld, "fields") })];
}

function quotedValue(text) {
  return `"${printable(text.replaceAll("\\", "\\\\").replaceAll('"', '\\"'))}"`;
}

/** By code points of their pointers, as Python sorts texts. */
function sortedByPointer(shown) {
  const keyed = shown.map((each) => [Array.from(each.pointer, (character) => character.codePointAt(0)), each]);
  return keyed.sort(([one], [other]) => comparedPoints(one, other)).map(([, each]) => each);
}

function comparedPoints(one, other) {
  const at = one.findIndex((point, place) => point !== other[place]);
  if (at < 0) return one.length - other.length;
  return at >= other.length ? 1 : one[at] - other[at];
}
