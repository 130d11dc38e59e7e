/**
 * Making and finding elements.
 *
 * The rule: whatever comes from outside enters the document as text. There is no other way in: this file takes strings
 * as text nodes and attribute values, and the page's policy forbids the rest.
 */

export interface Properties {
  readonly class?: string;
  readonly attributes?: Readonly<Record<string, string>>;
}

export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Properties = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  if (properties.class !== undefined) made.className = properties.class;
  for (const [attribute, value] of Object.entries(properties.attributes ?? {})) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/** The element with this id. Throws where the document has none, or one of another type. */
export function byId<T extends HTMLElement = HTMLElement>(
  id: string,
  type: { new (): T } = HTMLElement as unknown as { new (): T },
): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return found;
}

/** Sets the text, where it is another: whoever selects or hears it is not disturbed without need. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** Shows a line below a form or list, or hides it where there is nothing to say. */
export function setNote(target: HTMLElement, text: string): void {
  setText(target, text);
  target.hidden = text === "";
}

/** Names and values in a `dl`; those that stay keep their elements. */
export function tellFields(list: HTMLElement, rows: readonly (readonly [name: string, value: string])[]): void {
  const names = [...list.querySelectorAll("dt")].map(({ textContent }) => textContent);
  if (names.join() !== rows.map(([name]) => name).join())
    list.replaceChildren(...rows.map(([name]) => element("div", {}, element("dt", {}, name), element("dd"))));
  for (const [i, [, value]] of rows.entries()) setText(list.children[i]!.lastElementChild!, value);
}

/** Calls `submitted` instead of sending the form anywhere. */
export function onSubmit(form: HTMLElement, submitted: () => void | Promise<void>): void {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void submitted();
  });
}
