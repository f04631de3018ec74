import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { closeServer, listen } from '../../demo/listen.ts'
import type { Browser } from '../support/browser.ts'
import { createCertificate } from '../support/certificate.ts'
import { startWorld, type World } from '../support/world.ts'

describe('an upstream behind TLS', { concurrency: false }, () => {
  const certificates = { upstream: createCertificate(), ours: createCertificate(), stranger: createCertificate() }
  const directory = mkdtempSync(join(tmpdir(), 'coatcheck-tls-'))
  const file = (name: keyof typeof certificates, part: 'cert' | 'key') => join(directory, `${name}.${part}`)
  let both: Http2SecureServer
  let mutual: Server
  let world: World
  let browser: Browser
  before(async () => {
    for (const [name, { cert, key }] of Object.entries(certificates)) {
      writeFileSync(join(directory, `${name}.cert`), cert)
      writeFileSync(join(directory, `${name}.key`), key)
    }
    both = createSecureServer({ ...certificates.upstream, allowHTTP1: true }, (request, response) => {
      response.end(`HTTP/${request.httpVersion} ${(request.socket as TLSSocket).alpnProtocol}`) // the server speaks TLS alone
    })
    mutual = createServer(
      { ...certificates.upstream, ca: certificates.ours.cert, requestCert: true, rejectUnauthorized: true },
      (request, response) => {
        const shown = (request.socket as TLSSocket).getPeerX509Certificate() // the server speaks TLS alone
        response.end(shown?.toString() === certificates.ours.cert ? 'ours' : 'not ours')
      },
    )
    await once(both.listen(0, '127.0.0.1'), 'listening')
    const plain = `https://127.0.0.1:${(both.address() as AddressInfo).port}` // only pipes have a string
    const asking = `https://127.0.0.1:${await listen(mutual, 0, '127.0.0.1')}`
    const ca = file('upstream', 'cert')
    const shows = (name: keyof typeof certificates) => ({ cert: file(name, 'cert'), key: file(name, 'key') })
    world = await startWorld({
      store: 'memory',
      bff: {
        routes: [
          { path: '/trusted', upstream: plain, tls: { ca } },
          { path: '/unknown', upstream: plain },
          { path: '/wrong', upstream: plain, tls: { ca: file('stranger', 'cert') } },
          { path: '/mutual', upstream: asking, tls: { ca, ...shows('ours') } },
          { path: '/mutual-without', upstream: asking, tls: { ca } },
          { path: '/mutual-stranger', upstream: asking, tls: { ca, ...shows('stranger') } },
        ],
      },
    })
    browser = world.browser()
    await browser.login()
  })
  after(async () => {
    await world.close()
    const closed = once(both, 'close')
    both.close()
    await Promise.all([closed, closeServer(mutual)])
    rmSync(directory, { recursive: true })
  })

  test('that would speak HTTP/2 is spoken to in HTTP/1.1', async () => {
    assert.equal(await (await browser.api('/trusted/x')).text(), 'HTTP/1.1 http/1.1')
  })

  for (const path of ['/unknown', '/wrong']) {
    test(`whose certificate is of no authority of ours (${path}) is 502, and is sent nothing`, async () => {
      let asked = 0
      const count = () => {
        asked += 1
      }
      both.on('request', count)
      const response = await browser.api(`${path}/x`)
      both.off('request', count)
      assert.deepEqual([response.status, (await response.json()).code, asked], [502, 'upstream_unreachable', 0])
    })
  }

  test('that asks for a certificate is shown ours', async () => {
    assert.equal(await (await browser.api('/mutual/x')).text(), 'ours')
  })

  for (const path of ['/mutual-without', '/mutual-stranger']) {
    test(`that asks for another certificate than we have (${path}) is 502`, async () => {
      assert.equal((await browser.api(`${path}/x`)).status, 502)
    })
  }

  test('that closes a kept connection just as it is used again costs no GET', async () => {
    const seen = new Set<TLSSocket>()
    let killed = 0
    const kill = (request: { socket: unknown }) => {
      const socket = request.socket as TLSSocket // the server speaks TLS alone
      if (!seen.has(socket)) return void seen.add(socket)
      socket.destroy()
      killed += 1
    }
    both.prependListener('request', kill)
    for (let i = 0; i < 20; i++) assert.equal((await browser.api('/trusted/x')).status, 200)
    both.off('request', kill)
    assert.ok(killed > 5, `${killed} connections were used again`)
  })
})
