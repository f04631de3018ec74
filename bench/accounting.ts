import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** One line of `/proc/<pid>/stat` (proc_pid_stat(5)), as far as we need it; times in clock ticks. */
export interface ProcessStat {
  pid: number
  parent: number
  /** User and system time of its own, and of the children it has waited for. */
  ticks: number
}

/** What the operating system says of a process and all its descendants. */
export interface Usage {
  /** User and system time since the start. */
  cpuSeconds: number
  residentBytes: number
}

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
const pageBytes = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }))

export function usageOf(root: number): Usage {
  const tree = treeOf(root, readProcesses())
  if (tree.length === 0) throw new Error(`process ${root} has ended`)
  return {
    cpuSeconds: tree.reduce((sum, { ticks }) => sum + ticks, 0) / ticksPerSecond,
    residentBytes: tree.reduce((sum, { pid }) => sum + residentPages(pid), 0) * pageBytes,
  }
}

/** A process and its descendants, among all processes. */
export function treeOf(root: number, all: readonly ProcessStat[]): ProcessStat[] {
  return all
    .filter(({ pid }) => pid === root)
    .flatMap((top) => [top, ...all.filter(({ parent }) => parent === root).flatMap(({ pid }) => treeOf(pid, all))])
}

/** The name of a program stands in brackets and may itself hold brackets and spaces: what counts is the last one. */
export function parseStat(line: string): ProcessStat {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  // Numbered from 1 in the manual, and the first two are cut off: field 14 is our index 11.
  const [utime, stime, childrenUtime, childrenStime] = fields.slice(11, 15).map(Number)
  return {
    pid: Number.parseInt(line, 10),
    parent: Number(fields[1]),
    ticks: (utime ?? 0) + (stime ?? 0) + (childrenUtime ?? 0) + (childrenStime ?? 0),
  }
}

function readProcesses(): ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const line = readProcess(pid, 'stat')
      return line === null ? [] : [parseStat(line)]
    })
}

function residentPages(pid: number): number {
  return Number(readProcess(String(pid), 'statm')?.split(' ')[1] ?? 0)
}

/** `null` for a process that has ended meanwhile. */
function readProcess(pid: string, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return null
  }
}
