/** A form as the browser would submit it. */
export interface HtmlForm {
  method: string
  action: URL
  /** Hidden fields with their values, and the names of those a person fills in. */
  fields: Map<string, string>
}

/** The first form of a page, with the fields that point to it from outside; undefined where the page has none. */
export function readForm(html: string, pageUrl: string): HtmlForm | undefined {
  const form = /<form\b([^>]*)>([\s\S]*?)<\/form>/i.exec(html)
  if (form === null) return undefined
  const attributes = readAttributes(form[1] ?? '')
  const id = attributes.get('id')
  const inputs = [...html.matchAll(/<input\b([^>]*)>/gi)].map((input) => ({
    inside: input.index > form.index && input.index < form.index + form[0].length,
    attributes: readAttributes(input[1] ?? ''),
  }))
  const own = inputs.filter((input) => input.inside || (id !== undefined && input.attributes.get('form') === id))
  return {
    method: (attributes.get('method') ?? 'GET').toUpperCase(),
    action: new URL(attributes.get('action') ?? pageUrl, pageUrl),
    fields: new Map(
      own.flatMap(({ attributes: field }) => {
        const name = field.get('name')
        return name === undefined || field.get('type') === 'submit' ? [] : [[name, field.get('value') ?? '']]
      }),
    ),
  }
}

function readAttributes(text: string): Map<string, string> {
  const found = text.matchAll(/([a-z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/gi)
  return new Map(
    [...found].map(([, name = '', double, single, bare]) => [
      name.toLowerCase(),
      unescapeHtml(double ?? single ?? bare ?? ''),
    ]),
  )
}

function unescapeHtml(text: string): string {
  const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal?: string, hex?: string, name = '') => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal))
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
    return named[name] ?? whole
  })
}
