/** A few lines in place of a framework: elements are made once and then changed in place. */

/** Attributes, plus `on` for listeners and `text` for the content. */
type Props = Readonly<Record<string, string | number | boolean | undefined | Listeners>> & {
  readonly text?: string;
  readonly on?: Listeners;
};

type Listeners = Partial<{
  [Name in keyof HTMLElementEventMap]: (event: HTMLElementEventMap[Name]) => void;
}>;

/** Makes an element. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  props: Props = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'object') listen(element, value);
    else if (name === 'text') element.textContent = String(value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

function listen(element: HTMLElement, listeners: object): void {
  for (const [name, listener] of Object.entries(listeners)) {
    element.addEventListener(name, listener as EventListener);
  }
}

/** Makes an SVG drawing of one colour from path data; decoration, hidden from readers. */
export function icon(paths: string, viewBox = '0 0 24 24'): SVGSVGElement {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('viewBox', viewBox);
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(namespace, 'path');
  path.setAttribute('d', paths);
  svg.append(path);
  return svg;
}

/** Sets text only when it differs, so that screen readers hear changes alone. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
