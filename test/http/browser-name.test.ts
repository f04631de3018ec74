import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { browserName } from '../../src/http/browser-name.ts'

const windows = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)'
const android = 'Mozilla/5.0 (Linux; Android 15; K) AppleWebKit/537.36 (KHTML, like Gecko)'
const iphone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)'
const mac = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)'

const names: [userAgent: string | undefined, name: string | null][] = [
  [`${windows} Chrome/140.0.0.0 Safari/537.36`, 'Chrome on Windows'],
  [`${windows} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0`, 'Edge on Windows'],
  [`${windows} Chrome/140.0.0.0 Safari/537.36 OPR/120.0.0.0`, 'Opera on Windows'],
  [`${android} Chrome/140.0.0.0 Mobile Safari/537.36`, 'Chrome on Android'],
  [`${android} Chrome/140.0.0.0 Mobile Safari/537.36 EdgA/140.0.0.0`, 'Edge on Android'],
  [`${android} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36`, 'Samsung Internet on Android'],
  [`${iphone} Version/18.0 Mobile/15E148 Safari/604.1`, 'Safari on iPhone'],
  [`${iphone} CriOS/140.0.0.0 Mobile/15E148 Safari/604.1`, 'Chrome on iPhone'],
  [`${iphone} FxiOS/140.0 Mobile/15E148 Safari/604.1`, 'Firefox on iPhone'],
  [`${iphone} Version/18.0 EdgiOS/140.0.0.0 Mobile/15E148 Safari/604.1`, 'Edge on iPhone'],
  [`${iphone.replaceAll('iPhone', 'iPad')} Version/18.0 Mobile/15E148 Safari/604.1`, 'Safari on iPad'],
  [`${mac} Version/18.0 Safari/605.1.15`, 'Safari on macOS'],
  [`${mac.replace(/\(.*?\)/, '(X11; CrOS x86_64 14541.0.0)')} Chrome/140.0.0.0 Safari/537.36`, 'Chrome on ChromeOS'],
  ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Linux'],
  ['Mozilla/5.0 Firefox/140.0', 'Firefox'],
  ['curl/8.0', null],
  ['', null],
  [undefined, null],
]

describe('what a person would call a browser', () => {
  for (const [userAgent, name] of names) {
    test(`${userAgent} is ${name}`, () => assert.equal(browserName(userAgent), name))
  }
})
