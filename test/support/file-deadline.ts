// Loaded into every test process. A deadline of the runner's own holds for tests alone: a file whose tests are done,
// but which keeps a socket or a timer open, would otherwise hold the run for ever.
const deadlineSeconds = 240

setTimeout(() => {
  const open = process.getActiveResourcesInfo().join(', ')
  process.stderr.write(`${process.argv[1]} has not ended after ${deadlineSeconds} s; still open: ${open}\n`)
  process.exit(1)
}, deadlineSeconds * 1000).unref()

// Node.js 26 may spin for ever in its own clean-up after the last handle is closed (Environment::CleanupHandles, seen
// now and then on a busy machine). Nothing here needs that clean-up. Registered late, so as to come last.
process.once('beforeExit', () => {
  process.once('exit', () => process.exit())
})
