import { type Logger, pino } from 'pino'

/** Structured lines on standard output, one JSON object each. */
export function createLog(): Logger {
  return pino({
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  })
}
