/** A small graph of the last minute: delay and buffer. */

const SAMPLES = 240;

/** One line of the graph. */
interface Series {
  readonly values: (number | undefined)[];
  /** A custom property that holds its colour. */
  readonly color: string;
}

/** Draws into a canvas of its own; takes four samples a second. */
export class HistoryGraph {
  /** Says in words what it shows. */
  readonly element = document.createElement('canvas');
  readonly #delay: Series = { values: [], color: '--accent' };
  readonly #buffer: Series = { values: [], color: '--sea' };

  constructor() {
    this.element.className = 'graph';
    this.element.setAttribute('role', 'img');
    this.element.setAttribute('aria-label', 'Delay and buffer over the last minute');
  }

  /** Adds a sample of both, in ms, and draws. */
  add(delayMs: number | undefined, bufferMs: number | undefined): void {
    push(this.#delay.values, delayMs);
    push(this.#buffer.values, bufferMs);
    this.#draw();
  }

  #draw(): void {
    const { element } = this;
    const scale = Math.min(2, devicePixelRatio);
    const width = Math.round(element.clientWidth * scale);
    const height = Math.round(element.clientHeight * scale);
    const context = element.getContext('2d');
    if (!context || width === 0) return;
    if (element.width !== width) element.width = width;
    if (element.height !== height) element.height = height;
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(element);
    const all = [...this.#delay.values, ...this.#buffer.values];
    const top = niceTop(Math.max(50, ...all.map((value) => value ?? 0)));
    drawGrid(context, top, style.color, scale);
    for (const { values, color } of [this.#buffer, this.#delay]) {
      context.strokeStyle = style.getPropertyValue(color);
      context.lineWidth = 1.75 * scale;
      context.lineJoin = 'round';
      drawLine(context, values, top);
    }
  }
}

function push(values: (number | undefined)[], value: number | undefined): void {
  values.push(value);
  if (values.length > SAMPLES) values.shift();
}

/** The next of 50, 100, 200, 500, 1000 and so on. */
function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

function drawGrid(
  context: CanvasRenderingContext2D,
  top: number,
  color: string,
  scale: number,
): void {
  const { width, height } = context.canvas;
  context.strokeStyle = color;
  context.fillStyle = color;
  context.font = `${11 * scale}px system-ui, sans-serif`;
  for (const share of [0.5, 1]) {
    const y = height - share * (height - 14 * scale);
    context.globalAlpha = 0.25;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(0, y);
    context.lineTo(width, y);
    context.stroke();
    context.globalAlpha = 1;
    context.fillText(`${top * share} ms`, 2 * scale, y - 3 * scale);
  }
}

function drawLine(
  context: CanvasRenderingContext2D,
  values: readonly (number | undefined)[],
  top: number,
): void {
  const { width, height } = context.canvas;
  const usable = height - 14 * Math.min(2, devicePixelRatio);
  let pen = false;
  context.beginPath();
  values.forEach((value, index) => {
    if (value === undefined) {
      pen = false;
      return;
    }
    const x = ((SAMPLES - values.length + index) / (SAMPLES - 1)) * width;
    const y = height - (Math.min(value, top) / top) * usable;
    if (pen) context.lineTo(x, y);
    else context.moveTo(x, y);
    pen = true;
  });
  context.stroke();
}
