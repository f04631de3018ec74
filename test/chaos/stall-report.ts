// Loaded into a node in front of the program: says when the process did not run for a while. A machine with too much
// to do stops a process as SIGSTOP does, and then the schedule alone does not explain what happens.
const everyMs = 50
const reportedMs = 150

let last = Number.POSITIVE_INFINITY // what loading the program takes is no stall
setInterval(() => {
  const at = performance.now()
  const late = at - last - everyMs
  last = at
  if (late < reportedMs) return
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), msg: 'stalled', ms: Math.round(late) })}\n`)
}, everyMs).unref()
