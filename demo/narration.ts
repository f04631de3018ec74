import { type Logger, pino } from 'pino'

/** pino's number for `error`. */
const errorLevel = 50

/** What is worth telling somebody who tries things out, and in which words. */
const told: Readonly<Record<string, (facts: Record<string, unknown>) => string>> = {
  login_succeeded: () => 'somebody has logged in; their tokens stay here',
  refresh: ({ outcome, version, joined }) =>
    `refresh token no. ${version} presented once, for ${Number(joined) + 1} calls: ${outcome}`,
  session_ended: ({ reason }) => `a session has ended: ${reason}`,
  revoked: () => 'its refresh token is revoked at the provider',
}

/** The BFF's log as a story for the terminal. Warnings of a server that knows it is a demo are left out. */
export function createNarration(): Logger {
  return pino(
    { base: null },
    {
      write(line) {
        const { msg, ...facts } = JSON.parse(line)
        const words = told[msg]?.(facts)
        if (words !== undefined) process.stdout.write(`  ${new Date().toLocaleTimeString('en-GB')}  ${words}\n`)
        else if (facts.level >= errorLevel) process.stderr.write(line)
      },
    },
  )
}
