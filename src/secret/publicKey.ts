/**
 * Parser of public keys in the format of OpenSSH: `type base64 comment`, without options
 * (https://man.openbsd.org/sshd#AUTHORIZED_KEYS_FILE_FORMAT).
 */
import { Either, ParseResult, Schema } from "effect"
import { createHash, createPublicKey } from "node:crypto"
import { parseKey } from "sshpk"

/** A valid public key. */
export interface ParsedPublicKey {
  /** The normalized line: type, base64 and comment, separated by one space, without surrounding white space. */
  readonly line: string
  /** `SHA256:` and the unpadded base64 of the hash of the key, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string
}

const maxLineLength = 16_384
const minRsaBits = 2048
const maxRsaBits = 16_384

// Messages must not contain the input, because it may be a private key.
const rules = {
  shape: "must be an OpenSSH public key in one line: type, base64, comment",
  private: "is a private key, and was not stored: pass the public key, the line in the file that ends in .pub",
  type: "must be an Ed25519, ECDSA or RSA key",
  rsa: `must have ${minRsaBits} to ${maxRsaBits} bits and an odd exponent above 1`
}

const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u

/** Parses a public key. The left side is the rule that the text breaks. */
export const parsePublicKey = (text: string): Either.Either<ParsedPublicKey, string> => {
  // Checked first, because most private keys have several lines and would fail as `shape`.
  if (/-----BEGIN |PRIVATE KEY-----|PuTTY-User-Key-File/.test(text)) return Either.left(rules.private)
  const line = text.length > maxLineLength ? "" : text.trim().replaceAll("\t", " ")
  const [, type = "", base64 = "", comment = ""] =
    /^([a-z0-9@.-]+) +([A-Za-z0-9+/]+={0,2})(?: +(.*))?$/.exec(line) ?? []
  const blob = Buffer.from(base64, "base64")
  if (type === "" || unprintable.test(line) || blob.toString("base64") !== base64) return Either.left(rules.shape)
  if (!/^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521))$/.test(type)) return Either.left(rules.type)
  const broken = brokenRule(type, base64, blob)
  if (broken !== undefined) return Either.left(broken)
  return Either.right({
    line: [type, base64, ...(comment === "" ? [] : [comment])].join(" "),
    fingerprint: `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`
  })
}

/** Returns the rule that the key breaks, if any. */
const brokenRule = (type: string, base64: string, blob: Buffer): string | undefined => {
  try {
    const key = parseKey(`${type} ${base64}`, "ssh")
    // The parser accepts and drops extra bytes, for example those of a private key.
    if (!key.toBuffer("rfc4253").equals(blob) || !key.toString("ssh").startsWith(`${type} `)) return rules.shape
    const { asymmetricKeyDetails: { modulusLength = 0, publicExponent = 0n } = {} } = createPublicKey(
      key.toString("pkcs8")
    )
    const hasBadLength = modulusLength < minRsaBits || modulusLength > maxRsaBits
    const hasBadExponent = publicExponent < 3n || publicExponent % 2n === 0n
    return type === "ssh-rsa" && (hasBadLength || hasBadExponent) ? rules.rsa : undefined
  } catch {
    // The errors of the parsers are dropped, because they may contain the input.
    return rules.shape
  }
}

const Parsed = Schema.Struct({ line: Schema.String, fingerprint: Schema.String })

/** A public key as input text, decoded to its normalized line and fingerprint. */
export const PublicKey = Schema.transformOrFail(Schema.String, Parsed, {
  strict: true,
  decode: (text, _, ast) =>
    Either.match(parsePublicKey(text), {
      onLeft: (rule) => ParseResult.fail(new ParseResult.Type(ast, "", rule)),
      onRight: ParseResult.succeed
    }),
  encode: ({ line }) => ParseResult.succeed(line)
})
