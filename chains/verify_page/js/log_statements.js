// SPDX-License-Identifier: Apache-2.0
// What the log itself states in a chain, for which a policy asks no signature (docs/spec/policy.md): erasures, holds,
// another owner.

import { sameBytes } from "./bytes.js";
import { lifeStatement } from "./chain_life.js";
import { ERASURE_EXTENSION, extensionOf, IDENTITY_EXTENSION, LOG_ID_EXTENSION, TRANSFER_EXTENSION } from "./entry.js";
import { ERASES, erasureStatement } from "./erasures.js";
import { Malformed, Newer } from "./errors.js";

const LIFE_MEDIA_TYPE = "application/vnd.anchorline.chain-life";
const ERASURE_TEXTS = { erase: "17.erase", hold: "17.hold", lift: "17.lift" };
const BESIDE = [LOG_ID_EXTENSION, IDENTITY_EXTENSION];
const REFERS_TO = 5;

/** What an entry states that states one thing of the log's own and nothing else: a name of a text; else null. */
export function statedByLog(entry) {
  const said = entry.extensions.filter(({ type }) => !BESIDE.includes(type));
  if (said.length !== 1 || entry.externalIds.length) return null;
  try {
    if (said[0].type === ERASURE_EXTENSION && entry.mediaType === "") {
      return erasureSaid(entry, erasureStatement(extensionOf(entry, ERASURE_EXTENSION)));
    }
    const isTransfer = said[0].type === TRANSFER_EXTENSION && entry.mediaType === LIFE_MEDIA_TYPE;
    if (!isTransfer || entry.links.length) return null;
    lifeStatement(entry);
    return "17.transfer";
  } catch (error) {
    if (error instanceof Malformed && !(error instanceof Newer)) return null;
    throw error;
  }
}

/** Its links say of what: only entries of its own chain, and by the relation that goes with the act. */
function erasureSaid(entry, { act }) {
  const wanted = act === "erase" ? ERASES : REFERS_TO;
  const isOwn = ({ relation, chainId }) => relation === wanted && sameBytes(chainId, entry.chainId);
  return entry.links.length && entry.links.every(isOwn) ? ERASURE_TEXTS[act] : null;
}
