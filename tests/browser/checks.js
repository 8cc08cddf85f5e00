// What the tests ask of the page's functions: each returns what a vector wants, or the name of the refusal.

globalThis.named = async (work) => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Newer) return "unknown-version";
    return expected(error).reason;
  }
};

/** What a verifier brings, from how the vectors write it. */
async function broughtBy(verifier, check) {
  const views = (verifier.blocks || []).map((text) => givenBlock(text));
  if (verifier.headers) views.push(headersFile(utf8(verifier.headers)));
  return {
    contentDigest: verifier.content_digest ? bytesOfHex(verifier.content_digest) : null,
    card: verifier.card ? decodeCard(utf8(verifier.card)) : null,
    anyLog: Boolean(verifier.any_log),
    views,
    depth: BigInt(verifier.depth === undefined ? 6 : verifier.depth),
    check,
    trusted: verifier.timestamp_certificates ? await certificatesIn(utf8(verifier.timestamp_certificates)) : null,
    authorities: verifier.authorities ? await certificatesIn(utf8(verifier.authorities)) : null,
    lists: verifier.revocation_lists ? listsIn(utf8(verifier.revocation_lists)) : null,
    acceptTimestamp: Boolean(verifier.accept_timestamp),
    earlierCards: (verifier.earlier_cards || []).map((text) => decodeCard(utf8(text))),
    author: verifier.author ? expectedAuthor(verifier.author) : null,
  };
}

/** What `judged` makes of each case and what its verifier brings, as the page saves it, or the name of the refusal. */
async function verdictsBy(cases, judged) {
  const { check } = await chooseSignatureCheck();
  const found = [];
  for (const each of cases) {
    found.push(await named(async () => jsonText(await judged(each, await broughtBy(each.verifier, check)))));
  }
  return found;
}

/** The verdicts on receipts. */
globalThis.verdictsOn = (cases) => {
  return verdictsBy(cases, ({ receipt }, brought) => judge(decodeReceipt(bytesOfBase64(receipt)), brought));
};

/** The verdicts on proofs of newest heads. */
globalThis.headVerdictsOn = (cases) => {
  return verdictsBy(cases, ({ proof }, brought) => judgeHead(decodeHeadProof(bytesOfBase64(proof)), brought));
};

const COMMA = 0x2c;
const hexes = (values) => values.map((value) => bytesOfHex(value));

function asMap(value) {
  if (Array.isArray(value)) return value.map(asMap);
  if (Number.isSafeInteger(value)) return BigInt(value);
  if (value === null || typeof value !== "object") return value;
  return new Map(Object.entries(value).map(([name, item]) => [name, asMap(item)]));
}

async function signatureWord(entry) {
  if (!claimedSignatures(entry).length) return "none";
  const { check } = await chooseSignatureCheck();
  return (await isSignedWell(entry, check)) ? "good" : "wrong";
}

function messageOf({ operations }, digest) {
  try {
    return toHex(executeOperations(operations, digest));
  } catch (error) {
    if (error instanceof NotExecutable) return null;
    throw error;
  }
}

/** The newest head of a chain that a way shows, or null where it shows that there is none. */
function newestHead({ terminal, siblings, chain_id: chainId, root }) {
  const way = { terminal: terminal ? bytesOfHex(terminal) : null, siblings: hexes(siblings) };
  const head = headOnWay(way, bytesOfHex(chainId), bytesOfHex(root));
  return head !== null && toHex(head.chainId) === chainId ? head : null;
}

/** These vectors call another version malformed too. */
function decodedOts(raw) {
  try {
    return decodeOts(raw);
  } catch (error) {
    throw error instanceof Newer ? new Malformed("ots.magic") : error;
  }
}

function shownKey({ publicKey, purposes, notAfterMs }) {
  return { public_key: toHex(publicKey), purposes, not_after_ms: String(notAfterMs) };
}

function shownStatement(statement) {
  const { operation, hash, previous, about, ending, names, signatures, key, keySet } = statement;
  const shown = { operation, hash: toHex(hash), previous: toHex(previous), about: toHex(about), ending, names };
  shown.signers = signatures.map(({ signer }) => toHex(signer));
  if (statement.proof !== null) {
    const { algorithm, attributes, signature } = statement.proof;
    shown.proof = [algorithm, toHex(attributes), toHex(signature)];
  }
  if (key !== null) shown.key = shownKey(key);
  if (keySet === null) return shown;
  const { keys, threshold, recovery, waitBlocks } = keySet;
  shown.key_set = { keys: keys.map(shownKey), threshold, recovery: recovery.map(toHex), wait_blocks: Number(waitBlocks) };
  return shown;
}

function placeOfRow({ seal_number: sealNumber, sealed_at_ms: sealedAtMs, block_height: height, promise_key: key }) {
  const blockHeight = BigInt(height || 0);
  return { sealNumber: BigInt(sealNumber), sealedAtMs: BigInt(sealedAtMs), blockHeight, promiseKey: bytesOfHex(key || "") };
}

function isCounted(history, signature) {
  try {
    checkValid(history, bytesOfHex(signature.key), placeOfRow(signature));
    return true;
  } catch (error) {
    if (error.reason === "author-key-not-valid") return false;
    throw error;
  }
}

/** { keys, ignored } as the vectors want them; throws where another signature counts than they say. */
async function shownHistory({ chain_id: chainId, log_id: logId, entries, judged }) {
  const rows = entries.map((row) => ({ entry: decodeEntry(bytesOfHex(row.entry)), place: placeOfRow(row) }));
  const { check } = await chooseSignatureCheck();
  const history = await historyOf(bytesOfHex(chainId), bytesOfHex(logId), rows, check);
  for (const signature of judged) {
    if (isCounted(history, signature) !== signature.want) throw new Error(JSON.stringify(signature));
  }
  const spans = [...history.spans.entries()].sort(([one], [other]) => (one < other ? -1 : 1));
  const keys = spans.map(([name, { since, until }]) => {
    return [name, [Number(since.sealNumber), until === null ? null : Number(until.sealNumber)]];
  });
  const shown = { keys: Object.fromEntries(keys), ignored: history.ignored };
  if (!history.bindings.length) return shown;
  const bound = history.bindings.map(({ hash, since, until }) => {
    return [toHex(hash), Number(since.sealNumber), until === null ? null : Number(until.sealNumber)];
  });
  return { ...shown, bound };
}

globalThis.CHECKS = {
  strict_json: ({ hex }) => parseStrict(bytesOfHex(hex), "case", 65536) && "accepted",
  entry: async ({ entry }) => {
    const found = decodeEntry(bytesOfHex(entry));
    return { entry_hash: toHex(found.hash), chain_id: toHex(found.chainId), signature: await signatureWord(found) };
  },
  statement: ({ statement }) => shownStatement(decodeStatement(bytesOfHex(statement))),
  history: shownHistory,
  chain_id: ({ external_ids: ids }) => {
    return toHex(chainIdOf(ids.map(({ kind, value }) => ({ kind, value: bytesOfHex(value) }))));
  },
  leaf: ({ leaf }) => {
    const raw = bytesOfHex(leaf);
    return { type: decodeLeaf(raw).type, leaf_hash: toHex(leafHash(raw)) };
  },
  inclusion: ({ leaf_hash: leaf, index, size, path, root }) => {
    checkInclusion(bytesOfHex(leaf), BigInt(index), BigInt(size), hexes(path), bytesOfHex(root));
    return true;
  },
  key_id: ({ name, public_key: key }) => toHex(noteKeyId(name, bytesOfHex(key))),
  note: ({ note }) => {
    const { text, signatures } = decodeNote(note);
    return { text, names: signatures.map(({ name }) => name) };
  },
  checkpoint: ({ text }) => {
    const { origin, size, root } = decodeCheckpoint(text);
    return { origin, size: String(size), root: toHex(root) };
  },
  log_card: ({ card }) => {
    const { log, thread } = decodeCard(utf8(card));
    return { log_id: toHex(log.hash), thread: thread === null ? null : thread.map(({ name }) => name) };
  },
  promise: async ({ promise, log_id: logId, public_key: key }) => {
    const found = promiseFromJson(asMap(promise));
    const { check } = await chooseSignatureCheck();
    await checkPromise(found, bytesOfHex(logId), bytesOfHex(key), check);
    return toHex(found.leaf.entryHash);
  },
  transaction: ({ raw, limit }) => {
    const { outputs } = decodeTransaction(bytesOfHex(raw), limit);
    const txid = sha256d(bytesOfHex(raw));
    return { txid: toHex(txid), display: displayHex(txid), outputs: outputs.length };
  },
  header: ({ raw }) => {
    const { hash, merkleRoot, timeS, bits } = decodeHeader(bytesOfHex(raw));
    const found = { hash: displayHex(hash), merkle_root: toHex(merkleRoot), time_s: Number(timeS) };
    return { ...found, bits: bits.toString(16).padStart(8, "0") };
  },
  target: ({ bits }) => targetFromBits(BigInt(`0x${bits}`)).toString(16).padStart(64, "0"),
  work: ({ header, network }) => {
    const found = decodeHeader(bytesOfHex(header));
    checkWork(found, NETWORKS.get(network).powLimit);
    return displayHex(found.hash);
  },
  payload: ({ transaction }) => {
    const { treeSize, root } = findPayload(decodeTransaction(bytesOfHex(transaction), 4000));
    return { tree_size: Number(treeSize), root: toHex(root) };
  },
  fold: ({ leaf, index, path }) => toHex(foldBranch(bytesOfHex(leaf), BigInt(index), hexes(path))),
  coinbase: ({ raw }) => Number(checkCoinbase(bytesOfHex(raw))),
  anchor: ({ anchor }) => {
    const [transaction, coinbase] = hexes([anchor.transaction, anchor.coinbase]);
    checkAnchorTransaction({
      transaction,
      txid: sha256d(transaction),
      index: BigInt(anchor.index),
      path: hexes(anchor.path),
      coinbase,
      coinbasePath: hexes(anchor.coinbase_path),
      header: decodeHeader(bytesOfHex(anchor.header)),
      height: BigInt(anchor.height),
    });
    return toHex(sha256d(transaction));
  },
  open: async ({ entry, envelope, private_key: key, reader }) => {
    const found = await readerKeyOf(bytesOfHex(key));
    if (found.text !== reader) throw new Error(found.text);
    const { salt, content } = await openEnvelope(decodeEnvelope(bytesOfHex(envelope)), decodeEntry(bytesOfHex(entry)), found);
    return { salt: toHex(salt), content: toHex(content) };
  },
  hpke: async ({ private_key: key, info, plaintext, want }) => {
    const opened = await openSealed(await privateKeyOf(bytesOfHex(key)), bytesOfHex(want), bytesOfHex(info));
    return toHex(opened) === plaintext ? want : toHex(opened);
  },
  reader_key: async ({ file, password }) => {
    const { own } = await unlockedKey(decodeReaderKey(utf8(file)), password, async () => {});
    return toHex(new Uint8Array(await crypto.subtle.exportKey("pkcs8", own)).slice(-32));
  },
  newest: (each) => {
    const head = newestHead(each);
    if (head === null) throw new Refused("heads-proof-wrong", "heads.elsewhere");
    return toHex(head.hash);
  },
  absent: (each) => {
    if (newestHead(each) !== null) throw new Refused("heads-proof-wrong", "heads.elsewhere");
    return true;
  },
  secret: ({ secret: value, index, row }) => {
    const secret = new Secret(bytesOfHex(value));
    return {
      file_nonce: toHex(secret.fileNonce(index)),
      content_nonce: toHex(secret.contentNonce(index)),
      row_nonce: toHex(secret.rowNonce(index, 7)),
      row_tag: toHex(rowTags([bytesOfHex(row)], secret.tagKey)),
      cell_tags: toHex(cellTags(bytesOfHex(row), COMMA, secret.cellKey)),
    };
  },
  rows: ({ kind, data }) => {
    const cut = (size) => {
      const cutter = new RowCutter(kind, "rows");
      const bytes = bytesOfHex(data);
      const rows = [];
      for (let at = 0; at < bytes.length; at += size) rows.push(...cutter.push(bytes.subarray(at, at + size)));
      return [...rows, ...cutter.end()].map(({ row }) => row);
    };
    const rows = cut(1000);
    if (rows.map(toHex).join() !== cut(1).map(toHex).join()) throw new Error("rows depend on where the file is cut");
    const found = { rows: rows.map(toHex) };
    return kind === LINES ? found : { ...found, cells: rows.map((row) => cellsOf(row, COMMA).map(toHex)) };
  },
  path: ({ path }) => pathIn(bytesOfHex(path)),
  list: async ({ list }) => new TextDecoder().decode((await readList(new Blob([bytesOfHex(list)]))).raw),
  document: ({ document }) => {
    const { files, root } = decodeDocument(utf8(document));
    return { files: Number(files), root: toHex(root) };
  },
  "fields-document": ({ document }) => {
    const { fields, root } = decodeFieldsDocument(utf8(document));
    return { fields: Number(fields), root: toHex(root) };
  },
  "field-leaf": ({ place, type, value, salt }) => {
    const steps = place.map((step) => (typeof step === "number" ? BigInt(step) : step));
    return toHex(fieldLeaf(steps, KINDS_OF_VALUES.indexOf(type), value, bytesOfHex(salt)));
  },
  disclosure: ({ disclosure }) => {
    const found = decodeDisclosure(utf8(JSON.stringify(disclosure)));
    checkDisclosure(found);
    const shown = Object.fromEntries(found.shown.map(({ pointer, type, text }) => [pointer, [type, text]]));
    return { document_sha256: toHex(found.documentDigest), withheld: disclosureFacts(found).withheld, shown };
  },
  proof: ({ proof }) => {
    const found = decodeManifestProof(utf8(JSON.stringify(proof)));
    checkManifestProof(found);
    const shown = { document_sha256: toHex(found.documentDigest), path: found.leaf.path };
    if (found.opening === null) {
      return { ...shown, rows: Object.fromEntries(found.rows.map(({ index, bytes }) => [index, toHex(bytes)])) };
    }
    return { ...shown, bytes: Number(found.opening.size), sha256: toHex(found.opening.digest) };
  },
  file: ({ file }) => {
    const { hashName, digest, paths } = decodedOts(bytesOfHex(file));
    const attestations = paths.map((path) => {
      const { type, value } = path.attestation;
      return { message: messageOf(path, digest), type, value: typeof value === "bigint" ? Number(value) : value };
    });
    return { hash: hashName, digest: toHex(digest), attestations };
  },
};

/** What each case gives: a value, or the name of its refusal. */
globalThis.answersTo = async (cases) => {
  const found = [];
  for (const each of cases) found.push(await named(() => CHECKS[each.check](each)));
  return found;
};

/** Whether each signature is good, by the browser's own Ed25519 behind our rule, and by BigInt alone. */
globalThis.signaturesOf = async (cases) => {
  const { name, check } = await chooseSignatureCheck();
  const found = [];
  for (const { public_key: key, message, signature } of cases) {
    const given = [key, message, signature].map(bytesOfHex);
    found.push([await check(...given), checkInBigInt(...given)]);
  }
  return { name, found };
};

/** What each reader makes of bytes, in the words of test_browser_formats.py. */
globalThis.FORMATS = {
  ots: (raw) => {
    const { hashName, digest, paths } = decodeOts(raw);
    return [hashName, toHex(digest), paths.map(({ attestation: { type, value } }) => [type, String(value)])];
  },
  strict_json: (raw) => parseStrict(raw, "case", 65536) && "accepted",
  entry: (raw) => toHex(decodeEntry(raw).hash),
  leaf: (raw) => toHex(decodeLeaf(raw).raw),
  transaction: (raw) => decodeTransaction(raw, 100000).outputs.length,
  note: (raw) => {
    const { text, signatures } = decodeNote(new TextDecoder("utf-8", { ignoreBOM: true }).decode(raw));
    return [text, signatures.map(({ name, keyId, signature }) => [name, toHex(keyId), toHex(signature)])];
  },
};

globalThis.readAll = async ([reader, files]) => {
  const found = [];
  for (const hex of files) found.push(await named(() => FORMATS[reader](bytesOfHex(hex))));
  return found;
};

/** The judgements of evidence, as the JSON that the page saves, or the name of the refusal. */
globalThis.judgementsOn = async (cases) => {
  const { check } = await chooseSignatureCheck();
  const found = [];
  for (const { evidence, card } of cases) {
    const judged = async () => {
      const brought = card === null ? null : decodeCard(utf8(card));
      const { judgement, steps } = await judgeEvidence(decodeEvidence(utf8(evidence)), brought, check);
      return jsonText({ judgement, states: steps.map(({ state }) => state) });
    };
    found.push(await named(judged));
  }
  return found;
};

/** What a browser holds of a folder, from [path, hex or null for an empty folder]. */
function heldOf({ items, is_loose: isLoose, knows_empty: knowsEmpty }) {
  const files = items.map(([path, hex]) => ({ path, file: hex === null ? null : new File([bytesOfHex(hex)], path) }));
  return { items: files, isLoose, knowsEmpty };
}

/** What is said of folders that are held against lists, or the name of the refusal: facts, summary, lines. */
globalThis.comparisonsOf = async (cases) => {
  const found = [];
  for (const each of cases) {
    found.push(
      await named(async () => {
        const compared = await compareWithList(new Blob([bytesOfHex(each.list)]), heldOf(each), async () => {});
        const lines = compared.differences.map(differenceText);
        return jsonText({ facts: compared.facts(), summary: compared.summary(), lines, unplaced: compared.unplaced });
      }),
    );
  }
  return found;
};

/** What is read of a file of networks: the rules that it adds, or the name of the refusal. */
globalThis.networksIn = async (texts) => {
  const found = [];
  for (const text of texts) {
    found.push(
      await named(() => {
        const added = [...decodeNetworks(utf8(text)).values()].slice(NETWORKS.size);
        return added.map(({ name, genesis, messageStart, powLimit, worth }) => {
          return [name, toHex(genesis), toHex(messageStart), powLimit.toString(16), worth];
        });
      }),
    );
  }
  return found;
};

/** [exit code, finding] of each damage of what stands beside a receipt; of evidence the outcome or the reason. */
globalThis.besideRows = async (cases) => {
  const { check } = await chooseSignatureCheck();
  const found = [];
  for (const each of cases) {
    const row = await named(() => (each.evidence === undefined ? manifestRow(each, check) : evidenceRow(each, check)));
    found.push(typeof row === "string" ? [1, each.evidence === undefined ? "part-unreadable" : "malformed"] : row);
  }
  return found;
};

async function evidenceRow({ evidence, card }, check) {
  const brought = card === null ? null : decodeCard(utf8(card));
  const { judgement } = await judgeEvidence(decodeEvidence(utf8(evidence)), brought, check);
  return [judgement.exit_code, judgement.reason || judgement.outcome];
}

async function manifestRow({ receipt, verifier, ...given }, check) {
  const views = verifier.blocks.map((text) => givenBlock(text));
  const brought = { card: decodeCard(utf8(verifier.card)), anyLog: false, views, depth: 6n, check };
  Object.assign(brought, given.proof === undefined ? await folderAtHand(given) : proofAtHand(given));
  const { exit_code: exitCode, finding } = await judge(decodeReceipt(utf8(receipt)), brought);
  return [exitCode, finding];
}

function proofAtHand({ proof, file }) {
  const decoded = decodeManifestProof(utf8(proof));
  const content = file === null ? null : bytesOfHex(file);
  const record = content === null ? null : { size: BigInt(content.length), digest: sha256(content) };
  return { contentDigest: decoded.documentDigest, judgeContent: () => proofStep(decoded, record) };
}

async function folderAtHand({ list, files }) {
  const listFile = new Blob([bytesOfHex(list)]);
  const { document, digest } = await readList(listFile);
  const held = heldOf({ items: Object.entries(files), is_loose: false, knows_empty: true });
  const found = await compareWithList(listFile, held, async () => {});
  return { contentDigest: digest, judgeContent: () => folderStep(found, document, false) };
}

/** What each token says to whom trusts certificates (PEM), or the name of the refusal. */
globalThis.tokensSay = async (cases) => {
  const found = [];
  for (const { token, imprint, pem } of cases) {
    found.push(
      await named(async () => {
        const trusted = await certificatesIn(utf8(pem));
        const said = await checkedToken(bytesOfHex(token), bytesOfHex(imprint), trusted);
        return [said.authority, timeText(said.timeUs), accuracyText(said.accuracyUs), said.policy, said.vouchedBy];
      }),
    );
  }
  return found;
};
