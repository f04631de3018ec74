import { createHash } from 'node:crypto'

/** What of a document may run or apply although it comes from no file: source expressions of CSP Level 3, section 2.3.1. */
export interface InlineParts {
  scripts: readonly string[]
  styles: readonly string[]
}

/** The hashes of the scripts and styles that stand in a document itself. */
export function inlineParts(html: string): InlineParts {
  // As the HTML parser does before a hash is taken (HTML Standard, section 13.2.3.5).
  const found = [...html.replace(/\r\n?/g, '\n').matchAll(commentOrElement)]
  const hashes = (element: string) =>
    found.flatMap(({ groups: { name = '', content = '' } = {} }) =>
      name.toLowerCase() === element && content !== '' ? [hashOf(content)] : [],
    )
  return { scripts: hashes('script'), styles: hashes('style') }
}

const commentOrElement =
  /<!--[\s\S]*?-->|<(?<name>script|style)(?=[\s/>])(?:[^>"']|"[^"]*"|'[^']*')*>(?<content>[\s\S]*?)<\/\k<name>(?=[\s/>])/gi

function hashOf(content: string): string {
  return `'sha256-${createHash('sha256').update(content).digest('base64')}'`
}
