/// <reference lib="dom" />
import { createBffClient } from '../../src/client/index.ts'
import { createCoat } from './coat.ts'
import { askForOrders } from './orders-api.ts'
import { find, logAnswers, show, showOrders, showTime, showUser } from './view.ts'

const client = createBffClient()
const coat = createCoat()

/** Grows whenever the page forgets its user, so that an answer meant for an earlier one is not shown. */
let visit = 0
let endsAt = 0
let idleEndsAt = 0
let checkedAt = 0

/** Asks who is there and shows it. Looking must not keep the session alive: only use does. */
async function check(messageWhenSignedOut = ''): Promise<void> {
  const asked = visit
  checkedAt = Date.now()
  try {
    const user = await client.user({ slide: false })
    if (asked !== visit) return
    if (!user) return forget('signed-out', messageWhenSignedOut)
    endsAt = Date.now() + user.session.expiresIn * 1000
    idleEndsAt = Date.now() + user.session.idleExpiresIn * 1000
    showUser(user)
    showTime(endsAt, idleEndsAt, coat)
    show('signed-in')
  } catch {
    if (asked !== visit) return
    find('status').textContent = 'The counter does not answer. Trying again in a few seconds.'
    setTimeout(() => asked === visit && check(messageWhenSignedOut), 3000)
  }
}

function forget(face: 'nobody' | 'signed-out', message = ''): void {
  visit += 1
  endsAt = 0
  coat.forget()
  find<HTMLInputElement>('keep-calling').checked = false
  show(face, message)
}

async function call(times: number): Promise<void> {
  const asked = visit
  const began = performance.now()
  const answers = await Promise.all(Array.from({ length: times }, () => askForOrders((path) => client.fetch(path))))
  if (asked !== visit) return
  if (answers.some(({ status }) => status === 401)) {
    forget('signed-out', 'Your session has ended. Sign in again.')
    return
  }
  for (const { token } of answers) if (token) coat.note(token)
  logAnswers(answers, performance.now() - began)
  const orders = answers.find((answer) => answer.orders)?.orders
  if (orders) showOrders(orders)
  await check()
}

find('sign-in').addEventListener('click', () => client.login('/'))
find('sign-out').addEventListener('click', async () => {
  forget('nobody', 'Signing out.')
  try {
    await client.logout()
  } catch {
    await check()
    find('status').textContent = 'Signing out did not work. Try again.'
    find('sign-out').focus()
  }
})
find('call').addEventListener('click', () => call(1))
find('call-20').addEventListener('click', () => call(20))

setInterval(() => {
  if (endsAt === 0) return
  showTime(endsAt, idleEndsAt, coat)
  const isOver = Date.now() > Math.min(endsAt, idleEndsAt)
  if (isOver && Date.now() - checkedAt > 5000) check('Your session has ended. Sign in again.')
}, 1000)
setInterval(() => {
  if (find<HTMLInputElement>('keep-calling').checked) call(1)
}, 3000)

// A page kept for the back button must hold nothing about a person: who comes back may be someone else.
addEventListener('pagehide', () => forget('nobody'))
addEventListener('pageshow', (event) => {
  if (event.persisted) check()
})
// Another tab may have signed out meanwhile.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible' && endsAt !== 0) check('You have signed out.')
})

find('unready').remove()
check()
