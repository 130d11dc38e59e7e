/**
 * A table whose rows stay: an item keeps its row while it is listed, so that focus and selection survive every refresh.
 * On a narrow screen each row becomes a block of labelled lines (see the style).
 */
import { element, setText } from "./dom.ts";

export interface Column<T> {
  readonly label: string;
  readonly isNumber?: boolean;
  text(item: T): string;
  /** Makes the first content of the cell a link; the others are text. */
  href?(item: T): string;
}

export class Table<T> {
  readonly element: HTMLTableElement;
  readonly #columns: readonly Column<T>[];
  readonly #keyOf: (item: T) => string;
  readonly #body = element("tbody");
  readonly #rows = new Map<string, HTMLTableRowElement>(); // by key

  /** `caption` is for those who do not see the heading above. */
  constructor(caption: string, columns: readonly Column<T>[], keyOf: (item: T) => string) {
    this.#columns = columns;
    this.#keyOf = keyOf;
    const heads = columns.map(({ label, isNumber }) =>
      element("th", { attributes: { scope: "col" }, ...(isNumber && { class: "number" }) }, label),
    );
    this.element = element(
      "table",
      {},
      element("caption", { class: "unseen" }, caption),
      element("thead", {}, element("tr", {}, ...heads)),
      this.#body,
    );
  }

  /** In this order. */
  show(items: readonly T[]): void {
    const keys = new Set(items.map(this.#keyOf));
    for (const [key, row] of this.#rows)
      if (!keys.has(key)) {
        row.remove();
        this.#rows.delete(key);
      }
    let place = this.#body.firstElementChild;
    for (const item of items) {
      const row = this.#row(item);
      if (row === place) place = place.nextElementSibling;
      else this.#body.insertBefore(row, place);
      for (const [i, column] of this.#columns.entries()) this.#fill(row.cells[i]!, column, item);
    }
    this.element.hidden = items.length === 0;
  }

  #row(item: T): HTMLTableRowElement {
    const key = this.#keyOf(item);
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const cells = this.#columns.map(({ label, isNumber, href }, i) => {
      const properties = { attributes: { "data-label": label }, ...(isNumber && { class: "number" }) };
      const content = element(href === undefined ? "span" : "a");
      return i === 0
        ? element("th", { ...properties, attributes: { ...properties.attributes, scope: "row" } }, content)
        : element("td", properties, content);
    });
    const row = element("tr", {}, ...cells);
    this.#rows.set(key, row);
    return row;
  }

  #fill(cell: HTMLTableCellElement, { text, href }: Column<T>, item: T): void {
    const content = cell.firstElementChild!;
    setText(content, text(item));
    if (href !== undefined) content.setAttribute("href", href(item));
  }
}
