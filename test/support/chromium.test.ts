import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { closeServer, listen } from '../../demo/listen.ts'
import { launchBrowser } from './chromium.ts'

test('the back button shows a page from the back/forward cache', async (t) => {
  const server = createServer((request, response) => {
    const script = 'window.addEventListener("pageshow", (event) => { document.title = String(event.persisted) })'
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<script>${script}</script><p>${request.url}`)
  })
  const port = await listen(server, 0, '127.0.0.1')
  t.after(() => closeServer(server))
  await using browser = await launchBrowser()
  const page = await browser.newPage()
  await page.goto(`http://localhost:${port}/first`)
  assert.equal(await page.title(), 'false')
  await page.goto(`http://127.0.0.1:${port}/second`)
  await page.goBack({ waitUntil: 'commit' })
  await page.waitForFunction(() => document.title === 'true')
})
