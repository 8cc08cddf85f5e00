// SPDX-License-Identifier: Apache-2.0
// The one thing that can leave this page, and only on the visitor's word: the question which block is at a height, put
// to explorers that he chose (Esplora's HTTP API). All of them must agree; the header's hash and work are checked.

import { checkWork, decodeHeader } from "./bitcoin.js";
import { bytesOfHex, displayHex, toHex } from "./bytes.js";
import { say, TEXTS } from "./texts.js";

const LEAST_EXPLORERS = 2;
const TIMEOUT_MS = 20000;
// A header is the longest answer: 160 digits.
const MAX_ANSWER = 200;
const MEMPOOL = "mempool.space";
const BLOCKSTREAM = "blockstream.info";

/** Explorers that are offered, none of them ticked: name and address of the API. */
export const EXPLORERS = {
  mainnet: [[MEMPOOL, "https://mempool.space/api"], [BLOCKSTREAM, "https://blockstream.info/api"]],
  testnet3: [[MEMPOOL, "https://mempool.space/testnet/api"], [BLOCKSTREAM, "https://blockstream.info/testnet/api"]],
  testnet4: [[MEMPOOL, "https://mempool.space/testnet4/api"]],
  signet: [[MEMPOOL, "https://mempool.space/signet/api"], [BLOCKSTREAM, "https://blockstream.info/signet/api"]],
  regtest: [],
};

/** No explorer, or not all of them, could say which block is there; the receipt is neither better nor worse for it. */
export class LookUpFailed extends Error {}

/** The addresses that a visitor wrote, one a line; LookUpFailed for what is none. */
export function addressesIn(text) {
  const lines = text.split(/\s+/).filter((line) => line);
  return lines.map((line) => {
    let url;
    try {
      url = new URL(line);
    } catch {
      throw new LookUpFailed(say("explorers.address", { found: line }));
    }
    const isHere = url.hostname === "localhost" || url.hostname === "127.0.0.1";
    if (url.protocol !== "https:" && !(isHere && url.protocol === "http:")) {
      throw new LookUpFailed(say("explorers.address", { found: line }));
    }
    return (url.origin + url.pathname).replace(/\/+$/, "");
  });
}

/** From now on the page can reach these explorers and nothing else: a further policy can only forbid. */
function confineTo(addresses) {
  const policy = document.createElement("meta");
  policy.httpEquiv = "Content-Security-Policy";
  policy.content = `connect-src ${[...new Set(addresses.map((address) => new URL(address).origin))].join(" ")}`;
  document.head.append(policy);
}

/**
 * Ask all `addresses` which block of the network is at `height`; return a view of it, or throw LookUpFailed. The page
 * is confined to them where they are asked, so that too few of them can still be added to.
 */
export async function lookUp(addresses, rules, height) {
  if (new Set(addresses.map((address) => new URL(address).host)).size < LEAST_EXPLORERS) {
    throw new LookUpFailed(say("explorers.too-few", { least: LEAST_EXPLORERS }));
  }
  confineTo(addresses);
  const answers = await Promise.all(addresses.map((address) => askOne(address, rules, height)));
  for (const { hash, name } of answers) {
    if (toHex(hash) === toHex(answers[0].hash)) continue;
    const values = { one: answers[0].name, first: displayHex(answers[0].hash), other: name, second: displayHex(hash) };
    throw new LookUpFailed(say("explorers.disagree", values));
  }
  const tip = answers.map((answer) => answer.tip).reduce((least, each) => (each < least ? each : least));
  const { hash, merkleRoot } = answers[0];
  const known = { hash, merkleRoot, confirmations: tip - height + 1n, work: null };
  const believed = say("believed.explorers", { names: answers.map(({ name }) => name).join(TEXTS["explorers.and"]) });
  return { network: rules.name, believed, at: (wanted) => (wanted === height ? known : null) };
}

async function askOne(address, rules, height) {
  const name = new URL(address).host;
  const hash = await answered(name, `${address}/block-height/${height}`, /^[0-9a-f]{64}$/);
  const header = decodeHeader(bytesOfHex(await answered(name, `${address}/block/${hash}/header`, /^[0-9a-f]{160}$/)));
  const tip = BigInt(await answered(name, `${address}/blocks/tip/height`, /^[0-9]{1,9}$/));
  if (displayHex(header.hash) !== hash || tip < height) throw new LookUpFailed(say("explorers.nonsense", { name }));
  try {
    checkWork(header, rules.powLimit);
  } catch (error) {
    throw new LookUpFailed(say("explorers.work", { name, error: error.message }));
  }
  return { name, hash: header.hash, merkleRoot: header.merkleRoot, tip };
}

async function answered(name, url, form) {
  let text;
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const asked = { credentials: "omit", referrerPolicy: "no-referrer", redirect: "error", cache: "no-store", signal };
    const answer = await fetch(url, asked);
    if (!answer.ok) throw new LookUpFailed(say("explorers.status", { name, status: answer.status, url }));
    text = await shortText(answer);
  } catch (error) {
    if (error instanceof LookUpFailed) throw error;
    throw new LookUpFailed(say("explorers.unreachable", { name }));
  }
  if (!form.test(text)) throw new LookUpFailed(say("explorers.nonsense", { name }));
  return text;
}

/** The text of an answer, of which no more is read than the longest one can have. */
async function shortText(answer) {
  const reader = answer.body.getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text.trim();
    text += String.fromCharCode(...value.subarray(0, MAX_ANSWER));
    if (text.length <= MAX_ANSWER) continue;
    await reader.cancel();
    return text;
  }
}
