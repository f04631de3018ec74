import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { recordingDirectory } from './recording-directory.ts'

/** One line of the product's log. */
export interface LogLine {
  level: string
  /** Name of the event. */
  msg: string
  [fact: string]: unknown
}

/** A log for a server under test: everything it says, the quiet things too, in memory and where leaks are searched. */
export function createRecordedLog(): { log: Logger; lines: LogLine[] } {
  const file = join(recordingDirectory(), `log-${process.pid}.txt`)
  const lines: LogLine[] = []
  const write = (text: string): void => {
    appendFileSync(file, text)
    lines.push(JSON.parse(text))
  }
  const log = pino({ level: 'trace', base: null, formatters: { level: (label) => ({ level: label }) } }, { write })
  return { log, lines }
}
