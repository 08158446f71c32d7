/** A page's content. */
export interface View {
  /** What is put into the page. */
  readonly element: HTMLElement;
  /** The document's title. */
  readonly title: string;
  /** Stops everything that keeps the content up to date. */
  close(): void;
}
