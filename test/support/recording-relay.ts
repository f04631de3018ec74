import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { recordingDirectory } from './recording-directory.ts'
import { type Relay, type RelayOptions, startRelay } from './relay.ts'

let connections = 0

/** A relay in front of a server under test that keeps every byte sent to the browser, one file a connection. */
export async function startRecordingRelay(options: Omit<RelayOptions, 'onConnection'> = {}): Promise<Relay> {
  const directory = recordingDirectory()
  return await startRelay({
    ...options,
    onConnection: () => {
      connections += 1
      const file = join(directory, `connection-${process.pid}-${connections}.bin`)
      // Written before it is passed on, and at once: a test process that is killed has recorded what its browser got.
      return (chunk) => appendFileSync(file, chunk)
    },
  })
}
