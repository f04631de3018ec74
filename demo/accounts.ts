/** Someone who can sign in at the demo's provider. */
export interface Account {
  username: string
  password: string
  claims: {
    sub: string
    name: string
    email: string
    email_verified: boolean
    preferred_username: string
    picture: string
  }
}

/** The people every demo knows: `alice`/`alice` and `bob`/`bob`. */
export const demoAccounts: readonly Account[] = [
  createAccount('alice', 'Alice Marlow', '#8c2f39'),
  createAccount('bob', 'Bob Okafor', '#2f5d8c'),
]

/** A user whose password is the user name. */
function createAccount(username: string, name: string, colour: string): Account {
  return {
    username,
    password: username,
    claims: {
      sub: `user-${username}`,
      name,
      email: `${username}@coatcheck.example`,
      email_verified: true,
      preferred_username: username,
      picture: drawMonogram(name.charAt(0), colour),
    },
  }
}

function drawMonogram(letter: string, colour: string): string {
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="8" height="8" fill="${colour}"/>` +
    `<text x="4" y="6" font-size="5" text-anchor="middle" fill="#fff">${letter}</text></svg>`
  return `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`
}
