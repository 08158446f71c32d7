/** Pages as people meet them: wide enough, and usable without seeing them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { AxeResults } from 'axe-core';
import type { ChromiumTab } from './chromium.ts';

/** Where screenshots go. */
export const RESULTS = join(import.meta.dirname, '..', '..', '..', 'test-results');

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Fails when the page is wider than its screen. */
export async function assertFits(tab: ChromiumTab): Promise<void> {
  const { content, screen } = await tab.run(() => ({
    content: document.documentElement.scrollWidth,
    screen: document.documentElement.clientWidth,
  }));
  assert.ok(content <= screen, `${content} px of content on a screen of ${screen} px`);
}

/** Fails on what axe finds: roles, names, contrast, landmarks, through shadow roots. */
export async function assertAccessible(tab: ChromiumTab): Promise<void> {
  await tab.page.evaluate(AXE);
  const found = await tab.page.evaluate(
    'axe.run({ resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] })',
  );
  const { violations } = found as AxeResults;
  const told = violations.map(({ id, help, nodes }) => {
    const where = nodes.map(
      ({ target, failureSummary }) => `  ${target.join(' ')}: ${failureSummary ?? ''}`,
    );
    return `${id}: ${help}\n${where.join('\n')}`;
  });
  assert.deepEqual(told, [], told.join('\n'));
}
