/**
 * The sea under the sun: lines that carry the sound towards the viewer. The newest sound is
 * at the horizon; every line below shows what was heard a moment earlier.
 */

const LINES = 22;
const POINTS = 96;
// Levels of a line from its middle outwards.
const LEVELS = 48;
// A new line leaves the horizon this often; fast enough to follow music, slow enough to be calm.
const LINE_MS = 70;
const QUIET: Float32Array = new Float32Array(LEVELS);

/** Draws into a canvas of its own, of the size its style gives it. */
export class Sea {
  /** Decoration only. */
  readonly element = document.createElement('canvas');
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)');
  readonly #dark = matchMedia('(prefers-color-scheme: dark)');
  readonly #lines: Float32Array[] = Array.from({ length: LINES }, () => QUIET);
  readonly #sizes = new ResizeObserver(() => {
    this.#resize();
  });
  readonly #visible: IntersectionObserver;
  #analyser: AnalyserNode | undefined;
  #source: AudioNode | undefined;
  #spectrum = new Uint8Array(0);
  #frame = 0;
  #newestAt = 0;
  #inView = false;
  #middle = 0.5;
  // How much of the canvas lies below the horizon; the rest is for crests.
  readonly #seaShare = 0.9;

  constructor() {
    this.element.className = 'sea';
    this.element.setAttribute('aria-hidden', 'true');
    this.#sizes.observe(this.element);
    this.#visible = new IntersectionObserver(([entry]) => {
      this.#inView = entry?.isIntersecting ?? false;
      this.#run();
    });
    this.#visible.observe(this.element);
    this.#still.addEventListener('change', this.#run);
    this.#dark.addEventListener('change', this.#redraw);
  }

  /** Follows the sound at a node, or none. */
  follow(node: AudioNode | undefined): void {
    if (node === this.#source) return;
    if (this.#source && this.#analyser) this.#source.disconnect(this.#analyser);
    this.#source = node;
    this.#analyser = node && new AnalyserNode(node.context, { fftSize: 2048 });
    this.#spectrum = new Uint8Array(this.#analyser?.frequencyBinCount ?? 0);
    if (node && this.#analyser) node.connect(this.#analyser);
    this.#run();
  }

  /** Stops drawing. */
  close(): void {
    this.follow(undefined);
    cancelAnimationFrame(this.#frame);
    this.#sizes.disconnect();
    this.#visible.disconnect();
    this.#still.removeEventListener('change', this.#run);
    this.#dark.removeEventListener('change', this.#redraw);
    this.#inView = false;
  }

  readonly #run = (): void => {
    cancelAnimationFrame(this.#frame);
    if (!this.#inView) return;
    if (this.#still.matches) this.#draw(0, 0);
    else this.#frame = requestAnimationFrame(this.#step);
  };

  readonly #redraw = (): void => {
    this.#draw(performance.now(), 0);
  };

  readonly #step = (now: number): void => {
    if (now - this.#newestAt > LINE_MS) {
      this.#newestAt = now;
      this.#lines.pop();
      this.#lines.unshift(this.#listen());
    }
    this.#draw(now, (now - this.#newestAt) / LINE_MS);
    this.#frame = requestAnimationFrame(this.#step);
  };

  /** The sound of this moment as a line, from low tones in its middle to high ones outside. */
  #listen(): Float32Array {
    if (!this.#analyser) return QUIET;
    this.#analyser.getByteFrequencyData(this.#spectrum);
    const line = new Float32Array(LEVELS);
    for (let level = 0; level < LEVELS; level++) {
      // From 45 Hz up by equal musical steps to 9 kHz.
      const hertz = 45 * 200 ** (level / LEVELS);
      const bin = Math.round((hertz / 24_000) * this.#spectrum.length);
      line[level] = ((this.#spectrum[bin] ?? 0) / 255) ** 1.7;
    }
    return smooth(smooth(line));
  }

  #resize(): void {
    const scale = Math.min(2, devicePixelRatio);
    this.element.width = Math.round(this.element.clientWidth * scale);
    this.element.height = Math.round(this.element.clientHeight * scale);
    this.#redraw();
  }

  #draw(now: number, progress: number): void {
    const { width, height } = this.element;
    const context = this.element.getContext('2d');
    if (!context || width === 0) return;
    context.clearRect(0, 0, width, height);
    const style = getComputedStyle(this.element);
    this.#middle = Number(style.getPropertyValue('--sun-x')) || 0.5;
    context.strokeStyle = style.color;
    context.lineWidth = Math.max(1, height / 260);
    for (let index = 0; index < LINES; index++) {
      const depth = (index + progress) / LINES;
      this.#drawLine(context, this.#lines[index] ?? QUIET, depth, now);
    }
    context.globalAlpha = 1;
  }

  #drawLine(
    context: CanvasRenderingContext2D,
    line: Float32Array,
    depth: number,
    now: number,
  ): void {
    const { width, height } = context.canvas;
    const horizon = height - height * this.#seaShare;
    // Perspective: lines crowd at the horizon and grow towards the viewer.
    const base = horizon + (height - horizon) * (0.015 + depth ** 1.75);
    const swell = height * (0.002 + 0.02 * depth);
    const reach = height * (0.03 + 0.34 * depth);
    context.globalAlpha = 0.25 + 0.55 * (1 - depth);
    context.beginPath();
    let [lastX, lastY] = [0, base];
    for (let point = 0; point < POINTS; point++) {
      const across = point / (POINTS - 1);
      // Strong under the sun, calm at the shores.
      const away = Math.abs(across - this.#middle);
      const near = Math.exp(-((away * 2.6) ** 2));
      const wave =
        Math.sin(across * 9 + now / 2600 + depth * 11) + Math.sin(across * 23 - now / 3900);
      const x = across * width;
      const y = base - levelAt(line, away) * reach * near + wave * swell;
      if (point === 0) context.moveTo(x, y);
      else context.quadraticCurveTo(lastX, lastY, (lastX + x) / 2, (lastY + y) / 2);
      [lastX, lastY] = [x, y];
    }
    context.lineTo(lastX, lastY);
    context.stroke();
  }
}

/** The level at a distance from the middle, between those that were measured. */
function levelAt(line: Float32Array, away: number): number {
  const at = Math.min(LEVELS - 1, away * 1.5 * LEVELS);
  const before = Math.floor(at);
  const low = line[before] ?? 0;
  const high = line[Math.min(LEVELS - 1, before + 1)] ?? 0;
  return low + (high - low) * (at - before);
}

/** Takes the teeth out of a spectrum: water has none. */
function smooth(line: Float32Array): Float32Array {
  return line.map((level, at) => {
    const before = line[at - 1] ?? level;
    const after = line[at + 1] ?? level;
    return (before + 2 * level + after) / 4;
  });
}
