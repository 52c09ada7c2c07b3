/**
 * Public keys in the format of OpenSSH: `type base64 comment` (https://man.openbsd.org/sshd#AUTHORIZED_KEYS_FILE_FORMAT,
 * without options).
 */
import { Either, ParseResult, Schema } from "effect"
import { createHash, createPublicKey } from "node:crypto"
import { parseKey } from "sshpk"

/** A public key, read and found good. */
export interface ParsedPublicKey {
  /** As it is stored: one space between type, base64 and comment, nothing around them. */
  readonly line: string
  /** `SHA256:` and the base64 of the hash of the key, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string
}

const longestLine = 16_384
const fewestRsaBits = 2048
const mostRsaBits = 16_384

// What is wrong is said without what was given: it may be a private key.
const rules = {
  shape: "must be an OpenSSH public key in one line: type, base64, comment",
  private: "is a private key, of which nothing was kept: give the public one, the line in the file that ends in .pub",
  type: "must be an Ed25519, ECDSA or RSA key",
  rsa: `must have ${fewestRsaBits} to ${mostRsaBits} bits and an odd exponent above 1`
}

const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u

/** Reads a public key; on the left the rule that it breaks. */
export const parsePublicKey = (text: string): Either.Either<ParsedPublicKey, string> => {
  // First: most private keys have several lines.
  if (/-----BEGIN |PRIVATE KEY-----|PuTTY-User-Key-File/.test(text)) return Either.left(rules.private)
  const line = text.length > longestLine ? "" : text.trim().replaceAll("\t", " ")
  const [, type = "", base64 = "", comment = ""] = /^([a-z0-9@.-]+) +([A-Za-z0-9+/]+={0,2})(?: +(.*))?$/.exec(line) ?? []
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

/** The rule that the key itself breaks, if it does. */
const brokenRule = (type: string, base64: string, blob: Buffer): string | undefined => {
  try {
    const key = parseKey(`${type} ${base64}`, "ssh")
    // The parser takes bytes that it then leaves out, those of a private key among them.
    if (!key.toBuffer("rfc4253").equals(blob) || !key.toString("ssh").startsWith(`${type} `)) return rules.shape
    const { asymmetricKeyDetails: { modulusLength = 0, publicExponent = 0n } = {} } = createPublicKey(key.toString("pkcs8"))
    const weak = modulusLength < fewestRsaBits || modulusLength > mostRsaBits || publicExponent < 3n || publicExponent % 2n === 0n
    return type === "ssh-rsa" && weak ? rules.rsa : undefined
  } catch {
    // What the parsers say of it may repeat it.
    return rules.shape
  }
}

const Parsed = Schema.Struct({ line: Schema.String, fingerprint: Schema.String })

/** A public key as callers give it, with its fingerprint once it is read. */
export const PublicKey = Schema.transformOrFail(Schema.String, Parsed, {
  strict: true,
  decode: (text, _, ast) =>
    Either.match(parsePublicKey(text), {
      onLeft: (rule) => ParseResult.fail(new ParseResult.Type(ast, "", rule)),
      onRight: ParseResult.succeed
    }),
  encode: ({ line }) => ParseResult.succeed(line)
})
