import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

/** What a server shows and what it proves it with, both PEM. */
export interface Certificate {
  cert: string
  key: string
}

const years = (from: Date, count: number): Date => new Date(from.getTime() + count * 365 * 86_400_000)

/** A self-signed certificate for `localhost` and 127.0.0.1 (RFC 5280), of a key that nobody has seen before. */
export function createCertificate(): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = sequence(set(sequence(objectId.commonName, der(0x0c, Buffer.from('localhost')))))
  const now = new Date()
  const names = sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])))
  const isAuthority = sequence(der(0x01, Buffer.from([0xff])))
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    sequence(objectId.ecdsaWithSha256),
    name,
    sequence(time(years(now, -1)), time(years(now, 1))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(
      0xa3,
      sequence(
        sequence(objectId.subjectAltName, der(0x04, names)),
        sequence(objectId.basicConstraints, der(0x04, isAuthority)),
      ),
    ),
  )
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)])
  const certificate = sequence(body, sequence(objectId.ecdsaWithSha256), der(0x03, signature))
  const lines = certificate.toString('base64').replace(/.{64}/g, '$&\n')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  }
}

const objectId = {
  commonName: der(0x06, Buffer.from([0x55, 4, 3])),
  subjectAltName: der(0x06, Buffer.from([0x55, 0x1d, 0x11])),
  basicConstraints: der(0x06, Buffer.from([0x55, 0x1d, 0x13])),
  ecdsaWithSha256: der(0x06, Buffer.from([0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2])),
}

function sequence(...members: Buffer[]): Buffer {
  return der(0x30, ...members)
}

function set(...members: Buffer[]): Buffer {
  return der(0x31, ...members)
}

function time(date: Date): Buffer {
  return der(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]|\..*/g, '')}Z`))
}

/** One value in DER (X.690, section 8.1): tag, length, content. */
function der(tag: number, ...content: Buffer[]): Buffer {
  const value = Buffer.concat(content)
  const long = value.length < 0x80 ? [] : value.length < 0x100 ? [0x81] : [0x82, value.length >> 8]
  return Buffer.concat([Buffer.from([tag, ...long, value.length & 0xff]), value])
}
