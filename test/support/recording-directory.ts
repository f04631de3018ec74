/** Where everything is kept that the search for leaks looks at after the run. The runner says where. */
export function recordingDirectory(): string {
  const directory = process.env['TEST_RECORDING_DIR']
  if (directory === undefined) throw new Error('run tests by: npm test -- <file>')
  return directory
}
