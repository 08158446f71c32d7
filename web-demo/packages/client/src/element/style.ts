/** The element's looks. Sites change them by custom properties and by `::part()`. */

/** CSS of the shadow tree. */
export const STYLE = `
:host {
  --_background: var(--skywave-background, #fffaf4);
  --_color: var(--skywave-color, #1d2033);
  --_soft: var(--skywave-soft, #5a5d75);
  --_line: var(--skywave-line, rgb(29 32 51 / 0.14));
  --_accent: var(--skywave-accent, #c2410c);
  --_on-accent: var(--skywave-on-accent, #fff);
  --_live: #16a34a;
  --_warn: #b45309;
  --_radius: var(--skywave-radius, 1rem);
  display: block;
  container-type: inline-size;
  font-family: var(--skywave-font, system-ui, sans-serif);
  color: var(--_color);
  line-height: 1.35;
}
:host([hidden]) { display: none; }
@media (prefers-color-scheme: dark) {
  :host {
    --_background: var(--skywave-background, #171a2b);
    --_color: var(--skywave-color, #f3efe9);
    --_soft: var(--skywave-soft, #a9adc6);
    --_line: var(--skywave-line, rgb(243 239 233 / 0.16));
    --_accent: var(--skywave-accent, #ffb26b);
    --_on-accent: var(--skywave-on-accent, #221405);
    --_live: #4ade80;
    --_warn: #fbbf24;
  }
}
.player {
  display: flex;
  align-items: center;
  gap: 0.9rem;
  padding: 0.8rem 1rem;
  background: var(--_background);
  border: 1px solid var(--_line);
  border-radius: var(--_radius);
}
button {
  flex: none;
  display: grid;
  place-items: center;
  margin: 0;
  padding: 0;
  border: 0;
  border-radius: 50%;
  font: inherit;
  color: inherit;
  background: none;
  cursor: pointer;
}
button:focus-visible, input:focus-visible {
  outline: 3px solid var(--_accent);
  outline-offset: 3px;
}
.toggle {
  position: relative;
  inline-size: 3.25rem;
  block-size: 3.25rem;
  color: var(--_on-accent);
  background: var(--_accent);
  transition: transform 160ms ease;
}
.toggle:hover { transform: scale(1.05); }
.toggle:active { transform: scale(0.97); }
.toggle svg { inline-size: 1.5rem; block-size: 1.5rem; fill: currentColor; }
.toggle::after {
  content: '';
  position: absolute;
  inset: -5px;
  border: 2px solid transparent;
  border-radius: 50%;
}
.busy .toggle::after {
  border-block-start-color: var(--_accent);
  border-inline-end-color: var(--_accent);
  animation: turn 1s linear infinite;
}
.text { flex: 1; min-inline-size: 0; }
.station, .title, .status { margin: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.station { font-weight: 650; letter-spacing: 0.005em; }
.title:empty { display: none; }
.title { font-size: 0.94rem; }
.status { font-size: 0.82rem; color: var(--_soft); font-variant-numeric: tabular-nums; }
.status > * + *::before { content: ' · '; }
.status > :empty { display: none; }
.indicator {
  display: inline-block;
  inline-size: 0.55em;
  block-size: 0.55em;
  margin-inline-end: 0.45em;
  border-radius: 50%;
  background: var(--_soft);
}
.playing .indicator, .live .indicator { background: var(--_live); }
.playing .indicator { animation: breathe 2.4s ease-in-out infinite; }
.warning .indicator { background: var(--_warn); }
.past { display: flex; gap: 0.4rem; }
.past[hidden] { display: none; }
.past button {
  min-block-size: 2.5rem;
  padding-inline: 0.7rem;
  border: 1px solid var(--_line);
  border-radius: 999px;
  font-size: 0.82rem;
  font-variant-numeric: tabular-nums;
  white-space: nowrap;
}
.past button:hover { border-color: currentColor; }
.present { color: var(--_soft); }
.present::before {
  content: '';
  display: inline-block;
  inline-size: 0.55em;
  block-size: 0.55em;
  margin-inline-end: 0.4em;
  border-radius: 50%;
  background: var(--_soft);
}
.present { grid-auto-flow: column; align-items: center; }
.present[aria-pressed='true'] { color: inherit; }
.present[aria-pressed='true']::before { background: var(--_live); }
.volume { display: flex; align-items: center; gap: 0.4rem; }
.mute { inline-size: 2.5rem; block-size: 2.5rem; color: var(--_soft); }
.mute:hover { color: var(--_color); }
.mute svg { inline-size: 1.3rem; block-size: 1.3rem; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
input { inline-size: 6.5rem; block-size: 1.5rem; margin: 0; accent-color: var(--_accent); cursor: pointer; }
.spoken { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@container (max-width: 30rem) {
  input { display: none; }
  .player { flex-wrap: wrap; }
  .past { order: 1; flex-basis: 100%; }
  .past button { flex: 1; }
}
@container (max-width: 17rem) {
  .volume { display: none; }
}
@keyframes turn { to { transform: rotate(1turn); } }
@keyframes breathe { 50% { opacity: 0.35; } }
@media (prefers-reduced-motion: reduce) {
  .toggle, .toggle::after, .indicator { animation: none !important; transition: none; }
  .busy .toggle::after { border-style: dotted; border-color: var(--_accent); }
}
@media (forced-colors: active) {
  .toggle { border: 2px solid ButtonText; }
}
`;
