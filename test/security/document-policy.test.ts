import assert from 'node:assert/strict'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { closeServer, listen } from '../../demo/listen.ts'
import { inlineParts } from '../../src/spa/inline-parts.ts'
import { launchBrowser } from '../support/chromium.ts'
import { startWorld, type World } from '../support/world.ts'

const pixel = 'data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7'

/** An app in the shape that Vite builds: hashed files, preloads, workers, small assets as data:, and inline parts. */
const files: Readonly<Record<string, string>> = {
  'index.html': `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>built</title>
    <script>window.ran = ['inline']; addEventListener('securitypolicyviolation', (event) => { window.refused = [...(window.refused ?? []), event.effectiveDirective] })</script>
    <style>
      body { color: rgb(1, 2, 3) }
    </style>
    <script type="module" crossorigin src="/assets/index-B1a2c3d4.js"></script>
    <link rel="modulepreload" crossorigin href="/assets/shared-C5e6f7a8.js">
    <link rel="stylesheet" crossorigin href="/assets/index-D9b0c1d2.css">
  </head>
  <body>
    <div id="app"></div>
    <script type="module">import { mark } from '/assets/shared-C5e6f7a8.js'; mark('inline module')</script>
  </body>
</html>`,
  'assets/shared-C5e6f7a8.js': 'export const mark = (what) => window.ran.push(what)',
  'assets/index-B1a2c3d4.js': `import { mark } from './shared-C5e6f7a8.js'
    mark('module')
    import('./page-E3f4a5b6.js').then(({ page }) => mark(page))
    new Worker(new URL('./worker-F7c8d9e0.js', import.meta.url), { type: 'module' }).onmessage = ({ data }) => mark(data)
    const source = new Blob(["postMessage('inline worker')"], { type: 'text/javascript' })
    new Worker(URL.createObjectURL(source)).onmessage = ({ data }) => mark(data)
    const image = Object.assign(new Image(), { onload: () => mark('image'), src: '${pixel}' })
    document.getElementById('app').append(image)
    document.getElementById('app').style.marginTop = '7px'
    fetch('/assets/data.json').then((response) => response.json()).then(mark)`,
  'assets/page-E3f4a5b6.js': "export const page = 'dynamic import'",
  'assets/worker-F7c8d9e0.js': "postMessage('worker')",
  'assets/data.json': '"fetch"',
  'assets/index-D9b0c1d2.css': 'body { background: rgb(4, 5, 6) }',
}
const everything = ['dynamic import', 'fetch', 'image', 'inline', 'inline module', 'inline worker', 'module', 'worker']

describe("the SPA's content security policy, in a browser", () => {
  let chromium: Browser
  let spa: string
  let elsewhere: string
  const other = createServer((request, response) => {
    response.writeHead(200, { 'access-control-allow-origin': '*', 'content-type': 'text/javascript' })
    response.end(request.url === '/evil.js' ? "window.ran.push('from elsewhere')" : 'elsewhere')
  })
  before(async () => {
    chromium = await launchBrowser()
    elsewhere = `http://127.0.0.1:${await listen(other, 0, '127.0.0.1')}`
    spa = await mkdtemp(join(tmpdir(), 'coatcheck-spa-'))
    await mkdir(join(spa, 'assets'))
    for (const [name, text] of Object.entries(files)) await writeFile(join(spa, name), text)
  })
  after(async () => {
    await chromium.close()
    await closeServer(other)
  })

  /** Opens the app, and waits until everything in it that may run has run. */
  async function open(context: BrowserContext, world: World): Promise<Page> {
    const page = await context.newPage()
    await page.goto(`${world.origin}/orders/7`)
    await page.waitForFunction((count) => Reflect.get(window, 'ran')?.length === count, everything.length)
    return page
  }

  test('lets run what Vite has built, inline parts and workers included, and nothing that was injected', async () => {
    await using world = await startWorld({ https: true, store: 'memory', bff: { spa } })
    await using context = await chromium.newContext({ ignoreHTTPSErrors: true })
    const page = await open(context, world)
    assert.deepEqual((await page.evaluate(() => Reflect.get(window, 'ran'))).toSorted(), everything)
    assert.equal(await page.evaluate(() => Reflect.get(window, 'refused')), undefined)
    const style = await page.evaluate(() => {
      const { color, backgroundColor } = getComputedStyle(document.body)
      return [color, backgroundColor]
    })
    assert.deepEqual(style, ['rgb(1, 2, 3)', 'rgb(4, 5, 6)'])

    const injected = [
      '<img src=x onerror="window.ran.push(\'handler\')">',
      '<a href="javascript:window.ran.push(1)" id="link">x</a>',
      '<iframe srcdoc="<script>parent.ran.push(1)</script>"></iframe>',
      '<object data="/assets/data.json"></object>',
      `<base href="${elsewhere}/">`,
      '<style>body { color: red }</style>',
    ]
    const refused = await page.evaluate(
      async ([parts, origin]) => {
        document.getElementById('app')?.insertAdjacentHTML('beforeend', parts.join(''))
        const framed = new Promise((resolve) => document.querySelector('iframe')?.addEventListener('load', resolve))
        document.getElementById('link')?.click()
        const inline = Object.assign(document.createElement('script'), { textContent: "window.ran.push('inline')" })
        const foreign = Object.assign(document.createElement('script'), { src: `${origin}/evil.js` })
        const settled = new Promise((resolve) => foreign.addEventListener('error', resolve))
        document.head.append(inline, foreign)
        await Promise.all([settled, framed])
        const asked = await fetch(origin).then(
          () => 'answered',
          () => 'refused',
        )
        const beacon = await fetch(`${origin}/?stolen`, { mode: 'no-cors' }).then(
          () => 'answered',
          () => 'refused',
        )
        return [asked, beacon]
      },
      [injected, elsewhere] as const,
    )
    assert.deepEqual(refused, ['refused', 'refused'])
    // Of scripts that are elements there are three: the link counts as one.
    const scripts = ['script-src-attr', 'script-src-elem', 'script-src-elem', 'script-src-elem']
    const directives = ['base-uri', 'connect-src', 'connect-src', 'object-src', ...scripts, 'style-src-elem']
    await page.waitForFunction((count) => Reflect.get(window, 'refused')?.length >= count, directives.length)
    assert.deepEqual((await page.evaluate(() => Reflect.get(window, 'refused'))).toSorted(), directives)
    assert.equal(await page.evaluate(() => Reflect.get(window, 'ran').length), everything.length, 'something ran')
  })

  test('lets the app ask who the operator has named, and nobody else', async () => {
    const spaSources = { 'connect-src': [elsewhere] }
    await using world = await startWorld({ https: true, store: 'memory', bff: { spa, spaSources } })
    await using context = await chromium.newContext({ ignoreHTTPSErrors: true })
    const page = await open(context, world)
    const ask = (url: string) =>
      page.evaluate(
        (asked) =>
          fetch(asked).then(
            (response) => response.text(),
            () => 'refused',
          ),
        url,
      )
    assert.equal(await ask(elsewhere), 'elsewhere')
    assert.equal(await ask(world.provider.issuer), 'refused')
  })

  test('leaves out the hashes of styles where the operator allows all, which they would take back', async () => {
    const spaSources = { 'style-src': ["'unsafe-inline'"] }
    await using world = await startWorld({ https: true, store: 'memory', bff: { spa, spaSources } })
    await using context = await chromium.newContext({ ignoreHTTPSErrors: true })
    const page = await open(context, world)
    const color = await page.evaluate(() => {
      document.body.insertAdjacentHTML('beforeend', '<style>body { color: rgb(7, 8, 9) }</style>')
      return getComputedStyle(document.body).color
    })
    assert.equal(color, 'rgb(7, 8, 9)')
  })

  test('knows inline parts as browsers read them, however they are written, and none in a comment', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'coatcheck-spa-'))
    const parts = [
      `<SCRIPT data-note="a > b">window.ran = ['in capitals']\r\n</SCRIPT >`,
      "<!-- <script>window.ran.push('commented out')</script> -->",
      "<script data-note='c > d'>window.ran.push('quoted')</script\n>",
    ]
    await writeFile(join(directory, 'index.html'), `<!doctype html>\n${parts.join('\n')}`)
    await using world = await startWorld({ https: true, store: 'memory', bff: { spa: directory } })
    await using context = await chromium.newContext({ ignoreHTTPSErrors: true })
    const page = await context.newPage()
    const response = await page.goto(world.origin)
    assert.deepEqual(await page.evaluate(() => Reflect.get(window, 'ran')), ['in capitals', 'quoted'])
    const policy = (await response?.headerValue('content-security-policy')) ?? ''
    assert.equal(policy.match(/'sha256-/g)?.length, 2)
  })

  test('knows the inline parts of a document that has been replaced while we run', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'coatcheck-spa-'))
    await writeFile(join(directory, 'index.html'), '<script>one</script>')
    await using world = await startWorld({ store: 'memory', bff: { spa: directory } })
    const policy = async () => {
      const response = await fetch(world.origin, { headers: { accept: 'text/html' } })
      return [await response.text(), response.headers.get('content-security-policy')]
    }
    for (const html of ['<script>one</script>', '<script>another</script><style>x</style>']) {
      await writeFile(join(directory, 'index.html'), html)
      const [text, said] = await policy()
      assert.equal(text, html)
      const { scripts, styles } = inlineParts(html)
      assert.ok(said?.includes(`script-src 'self' ${scripts.join(' ')};`), said ?? '')
      assert.ok(said?.includes(`style-src ${["'self'", ...styles].join(' ')};`), said ?? '')
    }
  })
})
