// SPDX-License-Identifier: GPL-2.0-or-later
// Debian's Chromium for tests in another language: reads a call a line, as JSON, and writes its result.
//
//   node browser.mjs MODULES
//   {"on": "browser", "call": "newPage", "args": [{"colorScheme": "dark"}]}  →  {"value": 1}, a new page's number
//   {"on": 1, "call": "goto", "args": ["http://…"]}                          →  {"value": null}
//   {"on": 1, "call": "problems", "args": []}                                →  {"value": ["…"]}
//
// A call is a method of Playwright's Page, or one of those below. Of what it returns goes back what is JSON.
// A page has a context of its own. What its console, its scripts and its policy complain about is kept until
// problems() asks for it.
import { createRequire } from 'node:module';
import readline from 'node:readline';

const require = createRequire(process.argv[2] + '/');
const { chromium } = require('playwright-core');
const TIMEOUT_MS = 20_000;
const REFUSED = 'Content Security Policy: ';

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
const pages = [];

const extra = {
  problems: (page) => page.found.splice(0),
  axe: async (page) => {
    // Over the debugger's protocol, which a page's policy does not concern.
    await page.evaluate(page.axe ??= require('fs').readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'));
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' ')}`);
  },
  // CPU time of the page's main thread: unlike its clock, it does not see what else the machine does.
  cpu: async (page) => {
    if (!page.debugger) {
      page.debugger = await page.context().newCDPSession(page);
      await page.debugger.send('Performance.enable', { timeDomain: 'threadTicks' });
    }
    const { metrics } = await page.debugger.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration').value;
  },
  count: (page, selector) => page.locator(selector).count(),
  press: (page, keys) => page.keyboard.press(keys),
  type: (page, text) => page.keyboard.type(text),
  close: (page) => page.context().close(),
};

async function newPage(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const found = (page.found = []);
  page.setDefaultTimeout(TIMEOUT_MS);
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && found.push(message.text()));
  page.on('pageerror', (error) => found.push(String(error)));
  page.on('dialog', (dialog) => {
    found.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.exposeFunction('refused', (what) => found.push(what));
  await page.addInitScript((text) =>
    addEventListener('securitypolicyviolation', (event) =>
      globalThis.refused(text + event.violatedDirective + ' ' + event.blockedURI)), REFUSED);
  return pages.push(page);
}

async function answer({ on, call, args }) {
  if (on === 'browser')
    return newPage(...args);
  const page = pages[on - 1];
  const value = await (extra[call] ? extra[call](page, ...args) : page[call](...args));
  return ['string', 'number', 'boolean'].includes(typeof value) || Array.isArray(value) || value?.constructor === Object
    ? value
    : null;
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  let result;
  try {
    result = { value: await answer(JSON.parse(line)) };
  } catch (error) {
    result = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(result) + '\n');
}
await browser.close();
