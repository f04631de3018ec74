import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import { closeServer, listen } from '../../demo/listen.ts'
import { createBrowser } from './browser.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

test('a Strict cookie stays at home on a navigation that comes from another site, a Lax one is sent', async (t) => {
  const application = await serve(t, (request, response) => {
    if (request.url === '/set') response.setHeader('set-cookie', ['strict=1; SameSite=Strict', 'lax=1; SameSite=Lax'])
    response.end(request.headers.cookie ?? '')
  })
  const elsewhere = await serve(t, (_, response) => {
    response.writeHead(302, { location: `http://localhost:${application}/back` }).end()
  })
  const browser = createBrowser(`http://localhost:${application}`)
  await browser.get('/set')
  assert.equal(await textOf(browser.get('/')), 'strict=1; lax=1')
  assert.equal(await textOf(browser.navigate('/')), 'strict=1; lax=1')
  // By a redirect, by a link, and by another port of the same host, which is the same site.
  assert.equal(await textOf(browser.navigate(`http://127.0.0.1:${elsewhere}/`)), 'lax=1')
  assert.equal(await textOf(browser.navigate('/', { initiator: `http://127.0.0.1:${elsewhere}` })), 'lax=1')
  assert.equal(await textOf(browser.navigate(`http://localhost:${elsewhere}/`)), 'strict=1; lax=1')
  const posted = { initiator: `http://127.0.0.1:${elsewhere}`, method: 'POST', body: new URLSearchParams() }
  assert.equal(await textOf(browser.navigate('/', posted)), '')
})

test('cookies belong to a host and a path, and go when they are told to', async (t) => {
  const port = await serve(t, (request, response) => {
    if (request.url === '/deep/set') response.setHeader('set-cookie', ['a=1; Path=/', 'a=2', 'b=3; Path=/; Max-Age=60'])
    if (request.url === '/clear')
      response.setHeader('set-cookie', ['a=; Path=/; Max-Age=0', 'b=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT'])
    if (request.url === '/bad') response.setHeader('set-cookie', ['__Host-x=1; Path=/', 'no-pair'])
    response.end(request.headers.cookie ?? '')
  })
  const browser = createBrowser(`http://localhost:${port}`)
  await browser.get('/deep/set')
  assert.equal(await textOf(browser.get('/deep/er')), 'a=2; a=1; b=3')
  assert.equal(await textOf(browser.get('/deeper')), 'a=1; b=3')
  assert.equal(await textOf(browser.navigate(`http://127.0.0.1:${port}/`)), '')
  await browser.get('/clear')
  await browser.get('/bad')
  assert.equal(await textOf(browser.get('/deep/er')), 'a=2')
})

test('a form is submitted with its hidden fields and what was filled in', async (t) => {
  const port = await serve(t, async (request, response) => {
    if (request.method === 'POST') return void response.end(await readBody(request))
    response.setHeader('content-type', 'text/html')
    response.end(`<form id="f" method=post action="/submit?x=1&amp;y=2">
      <input type="hidden" name="token" value="&quot;a&#38;b&quot;"><input name='username' value=''>
      <input type=password name=password><input type=submit name=cancel></form><input form="f" name="outside" value="yes">`)
  })
  const browser = createBrowser(`http://localhost:${port}`)
  const login = await browser.startLogin({ returnUrl: '/a?b' })
  assert.equal(login.page.url, `http://localhost:${port}/bff/login?returnUrl=%2Fa%3Fb`)
  const answer = await browser.finishLogin(login, 'bob')
  assert.equal(answer.url, `http://localhost:${port}/submit?x=1&y=2`)
  assert.deepEqual(Object.fromEntries(new URLSearchParams(await answer.text())), {
    token: '"a&b"',
    username: 'bob',
    password: 'bob',
    outside: 'yes',
  })
})

async function serve(t: TestContext, answer: Answer): Promise<number> {
  const server = createServer(answer)
  t.after(() => closeServer(server))
  return await listen(server, 0, '127.0.0.1')
}

async function textOf(response: Promise<Response>): Promise<string> {
  return await (await response).text()
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
