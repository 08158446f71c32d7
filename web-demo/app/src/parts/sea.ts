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
      line[level] = ((this.#spectrum[bin] ?? 0) / 255) ** 2;
    }
    return line;
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
    context.fillStyle = style.backgroundColor;
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
    // Perspective: lines crowd at the horizon.
    const base = height * (0.06 + 0.98 * depth ** 1.7);
    const swell = height * (0.004 + 0.018 * depth);
    const reach = height * (0.07 + 0.2 * depth);
    context.globalAlpha = 0.2 + 0.6 * (1 - depth);
    context.beginPath();
    for (let point = 0; point < POINTS; point++) {
      const across = point / (POINTS - 1);
      // Strong under the sun, calm at the shores.
      const away = Math.abs(across - this.#middle);
      const near = Math.exp(-((away * 3) ** 2));
      const level = line[Math.min(LEVELS - 1, Math.floor(away * 1.6 * LEVELS))] ?? 0;
      const wave =
        Math.sin(across * 9 + now / 2600 + depth * 11) + Math.sin(across * 23 - now / 3900);
      const y = base - level * reach * near + wave * swell;
      if (point === 0) context.moveTo(0, y);
      else context.lineTo(across * width, y);
    }
    context.stroke();
    // What lies behind a crest is hidden by it.
    context.lineTo(width, height);
    context.lineTo(0, height);
    context.globalAlpha = 0.5;
    context.fill();
  }
}
