/** What the pages share: the logo, and the way of a text into markup. */

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** The paths of the logo, within a viewBox of 32 by 32. */
export const waves =
  '<path d="M3 12q4.5-6 8.7 0t8.7 0 8.7 0" opacity=".45"/><path d="M3 18q4.5-6 8.7 0t8.7 0 8.7 0" opacity=".75"/>' +
  '<path d="M3 24q4.5-6 8.7 0t8.7 0 8.7 0"/>';

const iconStroke = 'fill="none" stroke="#0d8296" stroke-width="3" stroke-linecap="round"';
const iconSvg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" ${iconStroke}>${waves}</svg>`;
/** As an address. */
export const icon = `data:image/svg+xml,${encodeURIComponent(iconSvg)}`;

/** The sources of a policy that let a page connect to the gateway's public port on `host`, the name in the page's own URL. */
export function gatewaySources(host: string, publicPort: number): string {
  // What cannot be written into a policy (an IPv6 address) leaves any WebSocket allowed.
  const isWritable = /^[a-z0-9.-]+$/i.test(host);
  return isWritable ? `ws://${host}:${publicPort} wss://${host}:${publicPort}` : "ws: wss:";
}
