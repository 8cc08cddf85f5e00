// SPDX-License-Identifier: Apache-2.0
// What the verifier knows of the best chain: blocks that he gives, or a file of headers. A receipt never says by itself
// that its block is on the best chain. A view is { network, believed, at(height) -> known block or null }; a known
// block is { hash, confirmations, work }, where null means that whoever gave it vouches.

import { checkWork, decodeHeader, hashFromDisplay, NETWORKS, workFromBits } from "./bitcoin.js";
import { bytesOfHex, displayHex, sameBytes } from "./bytes.js";
import { Malformed, Refused } from "./errors.js";
import { TEXTS } from "./texts.js";

export const DEFAULT_DEPTH = 6n;
export const MAX_HEADERS_FILE = 200 * 2 ** 20;

function networkByName(name, networks) {
  const rules = networks.get(name);
  if (rules !== undefined) return rules;
  throw new Malformed("blocks.network", { names: [...networks.keys()].join(", "), found: name.slice(0, 40) });
}

/** The view of one block that the verifier vouches for: NETWORK:HEIGHT:HASH, hash as explorers show it. */
export function givenBlock(text, networks = NETWORKS) {
  const [name, height = "", ...rest] = text.split(":");
  networkByName(name, networks);
  if (!/^[0-9]{1,9}$/.test(height)) throw new Malformed("blocks.form", { found: text.slice(0, 120) });
  const known = { hash: hashFromDisplay(rest.join(":")), confirmations: null, work: null };
  const at = BigInt(height);
  return { network: name, believed: TEXTS["believed.block"], at: (wanted) => (wanted === at ? known : null) };
}

/** The view of a headers file (docs/spec/headers.md): linked, with work under the network's limit. */
export function headersFile(data, networks = NETWORKS) {
  if (data.length > MAX_HEADERS_FILE) {
    throw new Malformed("form.size", { what: "headers file", limit: MAX_HEADERS_FILE, found: data.length });
  }
  const lines = new TextDecoder("latin1").decode(data).split("\n");
  const first = /^([a-z0-9-]+) (0|[1-9][0-9]{0,8})$/.exec(lines[0]);
  if (first === null || lines[lines.length - 1] !== "") throw new Malformed("blocks.headers");
  const rules = networkByName(first[1], networks);
  const firstHeight = BigInt(first[2]);
  const headers = linkedHeaders(lines.slice(1, -1), rules);
  if (firstHeight === 0n && headers.length && !sameBytes(headers[0].hash, rules.genesis)) {
    throw new Refused("another-network", "blocks.genesis", { found: displayHex(headers[0].hash), network: rules.name });
  }
  const at = (height) => knownIn(headers, height - firstHeight);
  return { network: rules.name, believed: TEXTS["believed.headers"], at };
}

function linkedHeaders(lines, rules) {
  let previous = null;
  let work = 0n; // of all headers so far
  return lines.map((line, place) => {
    const raw = line.length === 160 ? bytesOfHex(line) : null;
    if (raw === null) throw new Malformed("blocks.header-line", { line: place + 2 });
    const header = decodeHeader(raw);
    if (previous !== null && !sameBytes(header.previous, previous)) {
      throw new Refused("block-not-on-best-chain", "blocks.unlinked", { line: place + 2 });
    }
    checkWork(header, rules.powLimit);
    previous = header.hash;
    work += workFromBits(header.bits);
    return { hash: header.hash, merkleRoot: header.merkleRoot, work };
  });
}

function knownIn(headers, place) {
  if (place < 0n || place >= BigInt(headers.length)) return null;
  const { hash, merkleRoot } = headers[Number(place)];
  const below = place === 0n ? 0n : headers[Number(place) - 1].work;
  const work = headers[headers.length - 1].work - below;
  return { hash, merkleRoot, confirmations: BigInt(headers.length) - place, work };
}

/** Whether a block is known not to be as deep as is wanted. */
export function isShallow(known, wanted) {
  return known.confirmations !== null && known.confirmations < wanted;
}

/** Ask each view in turn; the first that reaches the height is believed. */
export function ask(views, height) {
  for (const view of views) {
    const known = view.at(height);
    if (known !== null) return { known, believed: view.believed };
  }
  return { known: null, believed: "" };
}
