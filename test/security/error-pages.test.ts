import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { BffError, type ProblemName, problems } from '../../src/errors.ts'
import { errorPage, pageStyleHash } from '../../src/pages/error-page.ts'
import { launchBrowser } from '../support/chromium.ts'

const addresses = {
  publicUrl: 'https://app.example',
  startUrl: '/bff/login',
  usedLoginUrl: '/bff/callback/used',
}

/** WCAG 2.1, success criterion 1.4.3, for text of normal size. */
const leastContrast = 4.5

describe('error pages', () => {
  let chromium: Browser
  let page: Page
  before(async () => {
    chromium = await launchBrowser()
    page = await chromium.newPage()
    // A used login's page would lead on.
    await page.route('**/*', (route) => route.abort())
  })
  after(() => chromium.close())

  // `as`: Object.keys forgets what it knows of a constant's keys.
  for (const problem of Object.keys(problems) as ProblemName[]) {
    test(`${problem}: one landmark, one heading, one way on, code and request id`, async () => {
      const error = new BffError(problem)
      const html = errorPage(error, 'request-1', addresses).replace(/<meta http-equiv="refresh"[^>]*>/, '')
      await page.setContent(html)
      assert.equal(await page.locator('html').getAttribute('lang'), 'en')
      assert.equal(await page.title(), error.message)
      const link = problem === 'login_used' ? 'Go on' : 'Try again'
      const tree = await page.locator('body').ariaSnapshot()
      assert.match(tree, new RegExp(`^- main:\\n {2}- heading "${error.message}" \\[level=1\\]`))
      assert.equal(tree.match(/- main/g)?.length, 1)
      assert.equal(tree.match(/- link/g)?.length, 1)
      assert.match(tree, new RegExp(`- link "${link}"`))
      assert.ok(tree.includes(error.code) && tree.includes('request-1'))
      await page.keyboard.press('Tab')
      assert.equal(await page.evaluate(() => document.activeElement?.textContent), link)
      assert.notEqual(
        await page.evaluate(() => getComputedStyle(document.activeElement ?? document.body).outlineStyle),
        'none',
      )
    })
  }

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`every text can be read on its ground, ${colorScheme}`, async () => {
      await page.emulateMedia({ colorScheme })
      await page.setContent(errorPage(new BffError('cookies_not_kept'), 'request-1', addresses))
      const texts = await page.evaluate(() => {
        const numbers = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number)
        const ground = (element: Element | null): number[] => {
          if (element === null) return [255, 255, 255]
          const color = numbers(getComputedStyle(element).backgroundColor)
          return color[3] === 0 ? ground(element.parentElement) : color
        }
        return [...document.querySelectorAll('h1, p, a, code, dt, dd')].map((element) => ({
          tag: element.tagName,
          ink: numbers(getComputedStyle(element).color),
          ground: ground(element),
        }))
      })
      assert.ok(texts.length >= 10)
      for (const { tag, ink, ground } of texts) {
        const ratio = contrast(luminance(ink), luminance(ground))
        assert.ok(ratio >= leastContrast, `${tag}: ${ratio.toFixed(2)} (${ink} on ${ground})`)
      }
      const [{ ground } = { ground: [0, 0, 0] }] = texts
      assert.equal(luminance(ground) > 0.5, colorScheme === 'light')
    })
  }

  test('nothing on a page runs, or comes from elsewhere, and its style is the one the policy allows', () => {
    for (const problem of Object.keys(problems) as ProblemName[]) {
      const html = errorPage(new BffError(problem), 'request-1', addresses)
      assert.doesNotMatch(html, /<script|<img|<link|<iframe|\son\w+=|style="|javascript:/i)
      assert.deepEqual(
        html.match(/(href|url)="?=?[^">]*/g)?.filter((found) => !/\/bff\/(login|callback\/used)$/.test(found)) ?? [],
        [],
      )
    }
    assert.match(pageStyleHash, /^'sha256-[\w+/]{43}='$/)
  })
})

/** Relative luminance, as WCAG 2.1 defines it. */
function luminance([red = 0, green = 0, blue = 0]: readonly number[]): number {
  const linear = (value: number) => {
    const share = value / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  }
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

function contrast(one: number, other: number): number {
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)
}
