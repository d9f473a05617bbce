// A person at a real browser: signs in on the provider's pages, allows, and looks at the page they end on.
// signin.mjs CHROMIUM PICTURES: reads the address from standard input, prints `{"heading", "text", "outside"}`, and leaves
// light.png and dark.png in the directory PICTURES. `outside` is what the page at the end asked of other machines. None is
// reached: the provider's own pages would like a font from one.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [executablePath, pictures] = process.argv.slice(2);
const address = readFileSync(0, 'utf8').trim();
const flags = [
  '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--no-proxy-server', '--password-store=basic', '--disable-dev-shm-usage',
];

const browser = await chromium.launch({ executablePath, args: flags });
try {
  const page = await browser.newPage({ viewport: { width: 760, height: 620 }, deviceScaleFactor: 2 });
  page.setDefaultTimeout(60_000);
  const outside = [];
  await page.route(
    (url) => url.protocol !== 'data:' && url.hostname !== '127.0.0.1' && url.hostname !== '[::1]',
    (route) => {
      if (route.request().frame().url().includes('/callback')) outside.push(route.request().url());
      return route.abort();
    },
  );

  const byCode = new URL(address).pathname === '/device'; // a code that is typed elsewhere: the person ends on the provider's page
  await page.goto(address);
  if (byCode) await page.click('button[form="op.deviceConfirmForm"]:not([name])');
  await page.fill('input[name=login]', 'ada');
  await page.fill('input[name=password]', 'any');
  await page.click('button[type=submit]');
  await page.waitForSelector('input[name=prompt][value=consent]', { state: 'attached' });
  await page.click('button[type=submit]');
  await page.waitForURL(byCode ? '**/device/*' : '**/callback*');
  await page.waitForSelector('h1');

  mkdirSync(pictures, { recursive: true });
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(pictures, `${colorScheme}.png`) });
  }
  const heading = await page.textContent('h1');
  const text = await page.innerText(byCode ? 'body' : 'main');
  console.log(JSON.stringify({ heading, text, outside }));
} finally {
  await browser.close();
}
