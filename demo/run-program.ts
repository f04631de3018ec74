/** Registers what has to be stopped at the end; the last one registered is stopped first. */
export type AtEnd = (stop: () => Promise<void>) => void

/**
 * Runs a program until Ctrl-C or SIGTERM, then stops what it started. A start that fails says why in one sentence,
 * stops what was already running, and exits with 1.
 */
export async function runProgram(start: (atEnd: AtEnd) => Promise<void>): Promise<void> {
  const stops: (() => Promise<void>)[] = []
  const ended = stopSignal()
  try {
    await start((stop) => stops.unshift(stop))
    await ended
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
  for (const stop of stops) await stop()
}

/** The first signal asks for an orderly end; with nobody listening any more, a second one kills. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    const signals = ['SIGINT', 'SIGTERM'] as const
    const end = (): void => {
      for (const signal of signals) process.off(signal, end)
      resolve()
    }
    for (const signal of signals) process.on(signal, end)
  })
}
