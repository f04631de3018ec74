/**
 * Which sessions belong together. Names every living one of an owner, if it was entered before it began, and perhaps some
 * that are over: an entry is dropped when it is taken off, or when the longest life of a session has gone by.
 */
export interface SessionIndex {
  /** Enters a session as the owner's newest. @param lifeMs the longest life of any session */
  began(owner: string, ref: string, lifeMs: number): Promise<void>
  /** Takes off what is over. */
  ended(owner: string, refs: readonly string[]): Promise<void>
  /** Oldest first. */
  list(owner: string): Promise<string[]>
  /** `place` grows with each session that begins, whatever ends. */
  newest(owner: string): Promise<{ ref: string; place: number } | null>
  /** Notes that the provider has logged the owner out; the latest such moment stays. @param at seconds by the provider's clock */
  loggedOut(owner: string, at: number, lifeMs: number): Promise<void>
  /** When the provider has last logged the owner out, as far as that is still noted. */
  loggedOutAt(owner: string): Promise<number | null>
}
