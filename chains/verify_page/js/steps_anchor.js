// SPDX-License-Identifier: Apache-2.0
// Steps 10 to 13, the bitcoin anchors of a receipt, of which the one that gets furthest is spoken of; and step 15,
// calendars' attestations, which stand beside it and never make a verdict intact.

import { checkWork, NETWORKS, networkOf } from "./bitcoin.js";
import { anchorTransaction, checkAnchorTransaction, findPayload, imprintOf } from "./bitcoin_anchor.js";
import { ask, isShallow } from "./blocks.js";
import { displayHex, sameBytes, toHex, ZERO_HASH } from "./bytes.js";
import { expected, Malformed, NotExecutable, Refused } from "./errors.js";
import { firstThreadHash, RECOVERY_KEY, threadLeafMessage } from "./leaves.js";
import { decodeOts, executeOperations } from "./opentimestamps.js";
import { absent, failed, notChecked, ok } from "./steps.js";
import { say, TEXTS } from "./texts.js";

/** What a step comes to, or the failed step where it throws: a verdict is always whole. */
export async function run(number, step) {
  try {
    return await step();
  } catch (error) {
    const { message, reason } = expected(error);
    return failed(number, message, reason);
  }
}

function ofKind(sealed, kind) {
  return sealed.anchors.filter((anchor) => anchor.kind === kind);
}

/** { anchor, steps } of the bitcoin anchor that gets furthest; anchor is null where there is none. */
export async function bestAnchor(receipt, verifier) {
  const { sealed } = receipt;
  let best = null;
  for (const anchor of ofKind(sealed, "bitcoin")) {
    const judged = { anchor, steps: await bitcoinSteps(receipt, anchor, verifier) };
    if (best === null || isFurther(judged.steps, best.steps)) best = judged;
  }
  if (best !== null) return best;
  const why = noBitcoin(sealed);
  return { anchor: null, steps: [10, 11, 12, 13].map((number) => absent(number, "10.absent", { why })) };
}

/** The types of anchors that this version does not know, each once, cut to 40 characters. */
export function otherAnchors(sealed) {
  const types = ofKind(sealed, "other").map(({ type }) => [...type].slice(0, 40).join(""));
  return [...new Set(types)].sort((one, other) => {
    const [mine, theirs] = [[...one], [...other]].map((text) => text.map((each) => each.codePointAt(0)));
    const at = mine.findIndex((code, place) => code !== theirs[place]);
    return at < 0 ? mine.length - theirs.length : mine[at] - (theirs[at] === undefined ? -1 : theirs[at]);
  });
}

function noBitcoin(sealed) {
  const others = otherAnchors(sealed);
  if (others.length) return say("10.others", { others: others.join(", ") });
  if (ofKind(sealed, "opentimestamps").length) return TEXTS["10.attested-only"];
  return TEXTS[ofKind(sealed, "rfc3161").length ? "10.stamped-only" : "10.not-anchored"];
}

function countOf(steps, state) {
  return steps.filter((step) => step.state === state).length;
}

/** Fewest failed steps, then fewest of 10 to 12 not checked. */
function isFurther(steps, best) {
  const [failed, leastFailed] = [countOf(steps, "failed"), countOf(best, "failed")];
  if (failed !== leastFailed) return failed < leastFailed;
  return countOf(steps.slice(0, 3), "not checked") < countOf(best.slice(0, 3), "not checked");
}

async function bitcoinSteps(receipt, anchor, verifier) {
  return [
    await run(10, () => checkPayload(receipt.sealed, anchor)),
    await run(11, () => checkTransaction(anchor)),
    await run(12, () => checkBlock(receipt, anchor, verifier)),
    await run(13, () => checkThread(receipt, anchor, verifier)),
  ];
}

function checkPayload({ checkpoint }, anchor) {
  const { treeSize, root } = findPayload(anchorTransaction(anchor));
  if (treeSize === checkpoint.size && sameBytes(root, checkpoint.root)) return ok(10, "10.ok", { size: treeSize });
  throw new Refused("payload-does-not-match-checkpoint", "10.mismatch", { size: treeSize, root });
}

function checkTransaction(anchor) {
  checkAnchorTransaction(anchor);
  return ok(11, "11.ok", { txid: displayHex(anchor.txid), index: anchor.index });
}

function checkBlock({ log, sealed }, anchor, verifier) {
  const rules = networkOf(log, verifier.networks);
  if (rules === null) return notChecked(12, "12.network", { genesis: displayHex(log.genesis) });
  checkWork(anchor.header, rules.powLimit);
  const { known, believed } = knownBlock(rules, anchor.height, sealed, verifier);
  const where = say("12.where", { height: anchor.height, block: displayHex(anchor.header.hash), network: rules.name });
  if (known === null) return notChecked(12, "12.unasked", { where, why: unasked(verifier) });
  if (!sameBytes(known.hash, anchor.header.hash)) {
    const found = displayHex(anchor.header.hash);
    const values = { height: anchor.height, known: displayHex(known.hash), believed, found };
    throw new Refused("block-is-not-the-given-one", "12.another", values);
  }
  const depth = depthText(known);
  if (!isShallow(known, verifier.depth)) return { ...ok(12, "12.ok", { where, depth }, believed), known };
  const step = notChecked(12, "12.shallow", { where, depth, wanted: verifier.depth });
  return { ...step, restsOn: believed, known, isShallow: true };
}

/** A view of another network is the verifier's way to say which one he means, but for one that a calendar attests. */
function knownBlock(rules, height, sealed, { views }) {
  const attesting = ofKind(sealed, "opentimestamps").map(({ network }) => network);
  for (const { network } of views) {
    if (network === rules.name || attesting.includes(network)) continue;
    throw new Refused("another-network", "12.another-network", { given: network, network: rules.name });
  }
  return ask(views.filter(({ network }) => network === rules.name), height);
}

function unasked({ views }) {
  if (!views.length) return TEXTS["12.nobody"];
  return say("12.not-reached", { views: views.map(({ believed }) => believed).join("; ") });
}

function depthText({ confirmations, work }) {
  if (confirmations === null) return "";
  const text = say("12.confirmations", { count: confirmations });
  return work === null ? text : text + say("12.work", { bits: Math.log2(Number(work)).toFixed(1) });
}

async function checkThread(receipt, anchor, verifier) {
  const { sealed } = receipt;
  if (sealed.thread === null) throw new Refused("thread-leaf-mismatch", "13.none");
  const { leaf } = sealed.thread;
  const listed = verifier.card === null ? null : verifier.card.thread;
  if (listed !== null && !listed.some(({ raw }) => sameBytes(raw, leaf.outpoint.raw))) {
    throw new Refused("thread-leaf-mismatch", "13.not-on-card", { outpoint: leaf.outpoint.name });
  }
  checkOrderOfThreads(leaf, listed);
  const isNew = !sameBytes(leaf.replaced, ZERO_HASH);
  if (isNew) await checkNewThread(receipt, verifier);
  const [{ previous }] = anchorTransaction(anchor).inputs;
  if (!sameBytes(previous.raw, leaf.outpoint.raw)) return notChecked(13, "13.not-first");
  const values = { again: isNew ? TEXTS["13.again"] : "", outpoint: leaf.outpoint.name };
  return ok(13, "13.ok", values, TEXTS["rests.log"]);
}

/** The card's first thread replaces nothing, the second the first, whose leaf the card gives; a later one something. */
function checkOrderOfThreads(leaf, listed) {
  if (listed === null || !listed.length) return;
  const place = listed.findIndex(({ raw }) => sameBytes(raw, leaf.outpoint.raw));
  const replacesNothing = sameBytes(leaf.replaced, ZERO_HASH);
  const fits = (place === 0) === replacesNothing;
  if (fits && (place !== 1 || sameBytes(leaf.replaced, firstThreadHash(listed[0])))) return;
  const values = { outpoint: leaf.outpoint.name, number: place + 1, replaced: leaf.replaced };
  throw new Refused("thread-leaf-mismatch", "13.order", values);
}

/** A thread that takes the place of another is signed by the recovery key that was valid at its leaf. */
async function checkNewThread({ log, sealed }, { check }) {
  const { leaf, index } = sealed.thread;
  const before = sealed.keys.filter((proof) => proof.index < index && proof.leaf.purpose === RECOVERY_KEY);
  const keys = [log.recoveryKey, ...before.map((proof) => proof.leaf.newKey)];
  if (await check(keys[keys.length - 1].value, threadLeafMessage(leaf, log.hash), leaf.signature)) return;
  throw new Refused("thread-leaf-mismatch", "13.unsigned", { outpoint: leaf.outpoint.name });
}

/** Judge every calendar's attestation: { network, state, text, reason, ... }, in the order of the receipt. */
export function judgedAttestations(sealed, verifier) {
  return ofKind(sealed, "opentimestamps").map((anchor) => {
    try {
      return judgedAttestation(anchor, sealed.checkpoint, verifier);
    } catch (error) {
      const { network } = anchor;
      if (error instanceof NotExecutable) return { network, state: "not checked", text: error.message, reason: null };
      const { message: text, reason } = expected(error);
      return { network, state: "failed", text, reason };
    }
  });
}

function judgedAttestation({ network, ots, header }, checkpoint, { views, depth }) {
  const { height, root } = attestedRoot(ots, imprintOf(checkpoint.size, checkpoint.root));
  const unchecked = (key, values) => ({ network, state: "not checked", text: say(key, values), reason: null });
  const rules = NETWORKS.get(network);
  if (rules === undefined) return unchecked("15.network", { network });
  const where = say("15.where", { height, network });
  if (header === null) return unchecked("15.no-header", { where });
  checkAttestedHeader(header, root, where, rules);
  const { known, believed } = ask(views.filter((view) => view.network === network), height);
  if (known === null) return unchecked("15.unasked", { where });
  if (!sameBytes(known.hash, header.hash)) {
    const values = { where, known: displayHex(known.hash), found: displayHex(header.hash) };
    throw new Refused("block-is-not-the-given-one", "15.another", values);
  }
  const confirmations = known.confirmations === null ? "" : say("12.confirmations", { count: known.confirmations });
  const name = say("12.where", { height, block: displayHex(header.hash), network }) + confirmations;
  if (isShallow(known, depth)) return unchecked("15.shallow", { name, wanted: depth });
  return { network, state: "ok", text: name, reason: null, believed, height, header, rules };
}

/** The height that a .ots file over `imprint` names, and the Merkle root that this block must have. */
function attestedRoot(file, imprint) {
  const { hashName, digest, paths } = decodeOts(file);
  if (paths.length !== 1) throw new Malformed("15.one-attestation", { found: paths.length });
  if (hashName !== "sha256" || !sameBytes(digest, imprint)) {
    throw new Refused("attestation-mismatch", "15.over", { found: digest, imprint });
  }
  const [{ operations, attestation }] = paths;
  if (attestation.type !== "bitcoin") throw new Malformed("15.not-bitcoin", { found: attestation.type });
  const root = executeOperations(operations, imprint);
  if (root.length !== 32) throw new Malformed("15.root-size", { found: root.length });
  return { height: attestation.value, root };
}

/** Refused unless `root` is the header's Merkle root and its work is done. */
function checkAttestedHeader(header, root, where, rules) {
  if (!sameBytes(header.merkleRoot, root)) {
    throw new Refused("attestation-mismatch", "15.header", { root, where, found: toHex(header.merkleRoot) });
  }
  checkWork(header, rules.powLimit);
}

/** Step 15, only where calendars attest: one that holds is enough. */
export function attestationSteps(judged) {
  if (!judged.length) return [];
  const good = judged.filter(({ state }) => state === "ok");
  const wrong = judged.find(({ state }) => state === "failed");
  if (good.length) {
    const others = wrong === undefined ? "" : TEXTS["15.other-fails"];
    const believed = [...new Set(good.map((each) => each.believed))].join(" and ");
    return [ok(15, "15.ok", { blocks: good.map(({ text }) => text).join(" and "), others }, believed)];
  }
  if (wrong === undefined) return [notChecked(15, "15.not-checked", { why: judged[0].text })];
  return [failed(15, wrong.text, wrong.reason)];
}

/** The attestations as `facts.attestations` shows them. */
export function attestationFacts(judged) {
  return judged.map(({ network, state, reason, height, header, rules }) => {
    if (state !== "ok") return { network, state, reason };
    const block = { height, block: displayHex(header.hash), time_s: header.timeS, proof_of_work: rules.worth };
    return { network, state, reason, ...block };
  });
}
