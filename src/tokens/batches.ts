/** Sessions that are worked on at a time where there are many: others need the store as well. */
const atOnce = 50

/** Does something to each session, to some of them at a time. @throws what `work` throws first: some may have been done */
export async function inBatches(
  refs: AsyncIterable<string> | Iterable<string>,
  work: (ref: string) => Promise<unknown>,
): Promise<void> {
  let batch: string[] = []
  for await (const ref of refs) {
    batch.push(ref)
    if (batch.length < atOnce) continue
    await Promise.all(batch.map(work))
    batch = []
  }
  await Promise.all(batch.map(work))
}
