/**
 * Makes screenshots smaller: 256 colours with a palette instead of 16 million.
 * The format: https://www.w3.org/TR/png-3/
 */
import { crc32, deflateSync, inflateSync } from "node:zlib"

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

interface Image {
  readonly width: number
  readonly height: number
  readonly channels: number
  readonly pixels: Buffer
}

const chunksOf = function* (file: Buffer) {
  let at = signature.length
  while (at < file.length) {
    const length = file.readUInt32BE(at)
    yield { type: file.toString("latin1", at + 4, at + 8), data: file.subarray(at + 8, at + 8 + length) }
    at += length + 12
  }
}

const paeth = (left: number, up: number, corner: number) => {
  const estimate = left + up - corner
  const [byLeft, byUp, byCorner] = [Math.abs(estimate - left), Math.abs(estimate - up), Math.abs(estimate - corner)]
  return byLeft <= byUp && byLeft <= byCorner ? left : byUp <= byCorner ? up : corner
}

/** Undoes the filter of each row. */
const unfilter = (data: Buffer, height: number, stride: number, channels: number) => {
  const pixels = Buffer.alloc(height * stride)
  for (let row = 0; row < height; row++) {
    const filter = data[row * (stride + 1)] ?? 0
    for (let column = 0; column < stride; column++) {
      const at = row * stride + column
      const left = column < channels ? 0 : (pixels[at - channels] ?? 0)
      const up = row === 0 ? 0 : (pixels[at - stride] ?? 0)
      const corner = row === 0 || column < channels ? 0 : (pixels[at - stride - channels] ?? 0)
      const estimate = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter] ?? 0
      pixels[at] = (data[row * (stride + 1) + 1 + column] ?? 0) + estimate
    }
  }
  return pixels
}

const decode = (file: Buffer): Image => {
  const chunks = [...chunksOf(file)]
  const header = chunks.find(({ type }) => type === "IHDR")?.data ?? Buffer.alloc(13)
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)]
  const channels = header[9] === 6 ? 4 : 3
  const data = inflateSync(Buffer.concat(chunks.flatMap(({ data, type }) => (type === "IDAT" ? [data] : []))))
  return { width, height, channels, pixels: unfilter(data, height, width * channels, channels) }
}

const colourAt = ({ channels, pixels }: Image, at: number) => pixels.readUIntBE(at * channels, 3)

const distance = (a: number, b: number) =>
  Math.abs((a >> 16) - (b >> 16)) + Math.abs(((a >> 8) & 255) - ((b >> 8) & 255)) + Math.abs((a & 255) - (b & 255))

// Colours at most this far apart look the same.
const likeness = 14

/** The most frequent colours, without those that look like another one, and for each other colour the nearest of them. */
const paletteOf = (image: Image) => {
  const counts = new Map<number, number>()
  for (let at = 0; at < image.width * image.height; at++) {
    const colour = colourAt(image, at)
    counts.set(colour, (counts.get(colour) ?? 0) + 1)
  }
  const palette: Array<number> = []
  for (const [colour] of [...counts.entries()].toSorted(([, a], [, b]) => b - a)) {
    if (palette.length === 256) break
    // Shades of one colour, of which smooth edges have many, must not leave out rare other colours.
    if (palette.every((other) => distance(other, colour) > likeness)) palette.push(colour)
  }
  const indexes = new Map(palette.map((colour, index) => [colour, index]))
  for (const colour of counts.keys())
    if (!indexes.has(colour)) {
      const nearest = palette.reduce(
        (best, other, index) => (distance(other, colour) < distance(palette[best] ?? 0, colour) ? index : best),
        0
      )
      indexes.set(colour, nearest)
    }
  return { palette, indexes }
}

const chunk = (type: string, data: Buffer) => {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data])
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  check.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, check])
}

/** Converts a PNG of 8 bits for each channel into one with a palette of up to 256 colours. */
export const shrinkPng = (file: Buffer): Buffer => {
  const image = decode(file)
  const { indexes, palette } = paletteOf(image)
  const header = Buffer.alloc(13)
  header.writeUInt32BE(image.width, 0)
  header.writeUInt32BE(image.height, 4)
  header.set([8, 3, 0, 0, 0], 8)
  const rows = Buffer.alloc(image.height * (image.width + 1))
  for (let at = 0; at < image.width * image.height; at++)
    rows[at + Math.floor(at / image.width) + 1] = indexes.get(colourAt(image, at)) ?? 0
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("PLTE", Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]))),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0))
  ])
}
