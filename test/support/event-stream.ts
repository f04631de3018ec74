/** One event of a `text/event-stream`; comments are told as `heartbeat`. */
export interface StreamEvent {
  event: string
  data: unknown
}

/** Reads Server-Sent Events as they come, to the end of the stream. */
export async function* eventsOf(response: Response): AsyncGenerator<StreamEvent, void, void> {
  if (response.body === null) throw new Error(`${response.status} has no body`)
  let text = ''
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const value = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
      const [event, data] = [value('event'), value('data')]
      if (lines[0]?.startsWith(':')) yield { event: 'heartbeat', data: null }
      else if (event !== undefined && data !== undefined) yield { event, data: JSON.parse(data) }
    }
  }
}
