// Loaded into every test process. A deadline of the runner's own holds for tests alone: a file whose tests are done,
// but which keeps a socket or a timer open, would otherwise hold the run for ever.
const deadlineSeconds = 240

setTimeout(() => {
  const open = process.getActiveResourcesInfo().join(', ')
  process.stderr.write(`${process.argv[1]} has not ended after ${deadlineSeconds} s; still open: ${open}\n`)
  process.exit(1)
}, deadlineSeconds * 1000).unref()
