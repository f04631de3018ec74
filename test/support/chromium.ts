import { type Browser, chromium, type Page } from 'playwright-core'

/** Starts a headless Chromium, at `TEST_CHROMIUM`. It ends with this process. */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = process.env['TEST_CHROMIUM']
  if (executablePath === undefined) throw new Error('run tests by: npm test -- <file>')
  return await chromium.launch({
    executablePath,
    // Turned off by default, though every person has it: what the back button shows is part of the product.
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** Logs alice in where the provider asks who it is. */
export async function fillInLogin(page: Page): Promise<void> {
  await page.locator('#username').fill('alice')
  await page.locator('#password').fill('alice')
  await page.locator('#submit').click()
}
