import { type Logger, pino } from 'pino'

/** Structured lines, one JSON object each. @param descriptor where they go: 1 is standard output, 2 standard error */
export function createLog(descriptor: 1 | 2 = 1): Logger {
  return pino(
    {
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: descriptor, sync: true }),
  )
}
