import { readFileSync } from 'node:fs'

/** The Lua scripts, each a file of its own with its contract as a comment. */
export const scripts = {
  begin: load('begin', true),
  remaining: load('remaining', true),
  acquire: load('acquire', true),
  mark: load('mark', true),
  replace: load('replace', true),
  writeSession: load('write-session', true),
  rewriteSession: load('rewrite-session', true),
  rewriteSet: load('rewrite-set', true),
  release: load('release', true),
  end: load('end', true),
  takeLogin: load('take-login', false),
  enter: load('enter', false),
  loggedOut: load('logged-out', false),
  putLogoutToken: load('put-logout-token', false),
}

export type ScriptName = keyof typeof scripts

function load(name: string, withPrelude: boolean): string {
  const text = read(name)
  if (!withPrelude) return text
  // Redis reads flags off the first line only.
  const [flags = '', body = text] = text.startsWith('#!') ? splitLine(text) : ['', text]
  return `${flags}${read('prelude')}\n${body}`
}

function splitLine(text: string): [string, string] {
  const end = text.indexOf('\n') + 1
  return [text.slice(0, end), text.slice(end)]
}

function read(name: string): string {
  return readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8')
}
