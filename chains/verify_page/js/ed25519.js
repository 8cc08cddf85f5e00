// SPDX-License-Identifier: Apache-2.0
// Ed25519 signature checks by Anchorline's one acceptance rule (docs/spec/entry.md): S < L, the key A canonical,
// neither A nor R of small order, and encode(sB - hA) equal to the 32 bytes of R (RFC 8032, without the cofactor).
// WebCrypto is used behind these checks where it judges hard signatures as the rule does; BigInt does it elsewhere.

import { bytesOfHex, concat, littleEndian, littleEndianBytes, sameBytes } from "./bytes.js";
import { sha512 } from "./sha256.js";

const PRIME = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const LOW = 2n ** 255n - 1n;
const Y_OF_ORDER_8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
const SMALL_ORDER_Y = new Set([0n, 1n, PRIME - 1n, Y_OF_ORDER_8, PRIME - Y_OF_ORDER_8]);

function modulo(value) {
  const rest = value % PRIME;
  return rest < 0n ? rest + PRIME : rest;
}

function power(base, exponent) {
  let result = 1n;
  for (let square = base, left = exponent; left; left >>= 1n) {
    if (left & 1n) result = (result * square) % PRIME;
    square = (square * square) % PRIME;
  }
  return result;
}

const D = modulo(-121665n * power(121666n, PRIME - 2n));
const ROOT_OF_MINUS_ONE = power(2n, (PRIME - 1n) / 4n);
const IDENTITY = [0n, 1n, 1n, 0n];

/** The point (X, Y, Z, T) that 32 bytes encode, or null (RFC 8032 section 5.1.3). */
function decodePoint(encoded) {
  const number = littleEndian(encoded);
  const y = number & LOW;
  const sign = number >> 255n;
  if (y >= PRIME) return null;
  const u = modulo(y * y - 1n);
  const v = modulo(D * y * y + 1n);
  const v3 = (v * v * v) % PRIME;
  let x = (u * v3 * power((u * v3 * v3 * v) % PRIME, (PRIME - 5n) / 8n)) % PRIME;
  const found = (v * x * x) % PRIME;
  if (found !== u) {
    if (found !== modulo(-u)) return null;
    x = (x * ROOT_OF_MINUS_ONE) % PRIME;
  }
  if (x === 0n && sign) return null;
  if ((x & 1n) !== sign) x = PRIME - x;
  return [x, y, 1n, (x * y) % PRIME];
}

/** The sum of two points (Hisil et al. 2008, section 3.1: complete, so no case is special). */
function added([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = modulo((y1 - x1) * (y2 - x2));
  const b = modulo((y1 + x1) * (y2 + x2));
  const c = modulo(2n * D * t1 * t2);
  const d = modulo(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [modulo(e * f), modulo(g * h), modulo(f * g), modulo(e * h)];
}

function encodePoint([x, y, z]) {
  const inverse = power(z, PRIME - 2n);
  const sign = modulo(x * inverse) & 1n;
  return littleEndianBytes(modulo(y * inverse) | (sign << 255n), 32);
}

const BASE = decodePoint(bytesOfHex("58" + "66".repeat(31)));

function negative([x, y, z, t]) {
  return [modulo(-x), y, z, modulo(-t)];
}

/** sP + hQ, both walked together (Straus 1964). */
function sumOfMultiples(s, p, h, q) {
  const both = added(p, q);
  let sum = IDENTITY;
  for (let bit = 252n; bit >= 0n; bit--) {
    sum = added(sum, sum);
    const ofP = (s >> bit) & 1n;
    const ofQ = (h >> bit) & 1n;
    if (ofP || ofQ) sum = added(sum, ofP && ofQ ? both : ofP ? p : q);
  }
  return sum;
}

/** The part of the rule that needs no curve arithmetic, and that must stand in front of a browser's own check. */
export function acceptableEncodings(publicKey, signature) {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  if (littleEndian(signature.slice(32)) >= ORDER) return false;
  const keyY = littleEndian(publicKey) & LOW;
  return keyY < PRIME && !SMALL_ORDER_Y.has(keyY) && !SMALL_ORDER_Y.has(littleEndian(signature.slice(0, 32)) & LOW);
}

/** Check a signature (64 bytes) over `message` by `publicKey` (32 bytes), in BigInt alone. */
export function checkInBigInt(publicKey, message, signature) {
  if (!acceptableEncodings(publicKey, signature)) return false;
  const key = decodePoint(publicKey);
  if (key === null) return false;
  const r = signature.slice(0, 32);
  const h = littleEndian(sha512(concat(r, publicKey, message))) % ORDER;
  const s = littleEndian(signature.slice(32));
  return sameBytes(encodePoint(sumOfMultiples(s, BASE, h, negative(key))), r);
}

/** The same, with the curve arithmetic done by the browser; throws where it has no Ed25519. */
async function checkInBrowser(publicKey, message, signature) {
  if (!acceptableEncodings(publicKey, signature)) return false;
  if (decodePoint(publicKey) === null || decodePoint(signature.slice(0, 32)) === null) return false;
  const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", key, signature, message);
}

// Key, message, signature, and whether it is good: one as usual, two that hold only where both sides are multiplied by
// the cofactor, two with a part of small order that hold all the same. They are among tests/vectors/ed25519.json.
const HARD_SIGNATURES = [
  [
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    "",
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155" +
      "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    true,
  ],
  [
    "99555efe5dbf5b50b6fb4d8c38ee05c4ea8a97011c08e11366e8c8c00e8ce5d5",
    "6d6573736167652030",
    "3e54c441927f9f0ee5e13e34f0b0404c5043651a8f4b7ef087a1c42262a85d0a" +
      "67d808b78053654cc287aff328bc63ea329a3fdd7cba3523bf91d8a520b83b0d",
    false,
  ],
  [
    "88aa55e6afeed8960a3191de78600347db8acd0a3795412f275f049b86260488",
    "6d657373616765203237",
    "5b61c2e3b93e6c06450f327ea72cdfeb8cde6aa020d2dd827ab3f86e708c8393" +
      "2d7bc3596cd76054e80eccb8debf78f15764b0e17de91bd95097b383dbae150f",
    false,
  ],
  [
    "99555efe5dbf5b50b6fb4d8c38ee05c4ea8a97011c08e11366e8c8c00e8ce5d5",
    "6d6573736167652031",
    "3e54c441927f9f0ee5e13e34f0b0404c5043651a8f4b7ef087a1c42262a85d0a" +
      "feca1dc3c9e3a21a4984f50abc2153b26fea8ffad558b06a64172307c6834e03",
    true,
  ],
  [
    "99555efe5dbf5b50b6fb4d8c38ee05c4ea8a97011c08e11366e8c8c00e8ce5d5",
    "6d657373616765203136",
    "8d8faa35c2b55750d969e504ed4e19f58a05377063d9f00da7f99ce244d96ea6" +
      "534da4abc68a8bce2ad05ae45876923925eae1c46777aea944b6ff9e29c9e60a",
    true,
  ],
];

/** How this browser checks: "webcrypto" where its own Ed25519 passes, else "bigint". */
export async function chooseSignatureCheck() {
  try {
    for (const [publicKey, message, signature, want] of HARD_SIGNATURES) {
      const found = await checkInBrowser(bytesOfHex(publicKey), bytesOfHex(message), bytesOfHex(signature));
      if (found !== want) return { name: "bigint", check: checkInBigInt };
    }
    return { name: "webcrypto", check: checkInBrowser };
  } catch {
    return { name: "bigint", check: checkInBigInt };
  }
}
