import { createHash } from 'node:crypto'

/** A page of the provider, with the headers it must be sent with. */
export interface Page {
  headers: Record<string, string>
  html: string
}

/**
 * Builds a page from trusted HTML; what came from outside goes through `escapeHtml` first. Nothing is loaded from
 * anywhere, and only the style and the script given here run.
 */
export function createPage(title: string, body: string, script?: string): Page {
  const policy = [
    "default-src 'none'",
    `style-src '${digest(style)}'`,
    ...(script === undefined ? [] : [`script-src '${digest(script)}'`]),
    "base-uri 'none'",
    "frame-ancestors 'none'",
    // No form-action: browsers apply it to the redirects after a form too, and signing in ends at the application.
  ]
  return {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy.join('; '),
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    },
    html: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<p class="brand">Demo identity provider</p>
<h1>${escapeHtml(title)}</h1>
${body}
</main>
${script === undefined ? '' : `<script>${script}</script>`}
</body>
</html>
`,
  }
}

/** Makes a value safe between tags and inside a quoted attribute. */
export function escapeHtml(value: string): string {
  return value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

function digest(source: string): string {
  return `sha256-${createHash('sha256').update(source).digest('base64')}`
}

const style = `
:root { color-scheme: light dark; --ground: #e9edf2; --card: #fff; --ink: #18222f; --quiet: #4a5a6d; --line: #8593a3;
  --accent: #1f5fa8; --on-accent: #fff; --alarm: #a3162a; --alarm-ground: #fdecee }
@media (prefers-color-scheme: dark) { :root { --ground: #11161d; --card: #1b232d; --ink: #edf2f7; --quiet: #a9b7c6;
  --line: #67788b; --accent: #8abdf5; --on-accent: #0b1a2b; --alarm: #ffb3bb; --alarm-ground: #3a1a20 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--ground);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 24rem; padding: 2rem; background: var(--card); border-radius: 0.75rem;
  box-shadow: 0 1px 2px #0003, 0 8px 24px #0001 }
.brand { margin: 0; color: var(--quiet); font-size: 0.875rem }
h1 { margin: 0 0 1.25rem; font-size: 1.5rem; line-height: 1.25; text-wrap: balance }
p { margin: 0 0 1rem }
label { display: block; margin-bottom: 0.25rem; font-weight: 600 }
input { width: 100%; margin-bottom: 1rem; padding: 0.625rem 0.75rem; font: inherit; color: inherit;
  background: transparent; border: 1px solid var(--line); border-radius: 0.375rem }
button { width: 100%; margin-top: 0.5rem; padding: 0.6875rem 1rem; font: inherit; font-weight: 600; cursor: pointer;
  color: var(--on-accent); background: var(--accent); border: 1px solid var(--accent); border-radius: 0.375rem }
button.quiet { color: var(--ink); background: transparent; border-color: var(--line) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
.alarm { padding: 0.625rem 0.75rem; color: var(--alarm); background: var(--alarm-ground);
  border-left: 4px solid currentcolor; border-radius: 0.25rem }
.hint { margin: 1.25rem 0 0; color: var(--quiet); font-size: 0.875rem }
code { font-family: ui-monospace, monospace }
`
