/** What the pages share: how their documents begin, what they may do, and the logo. */

/** What a page depends on. */
export interface PageSetting {
  /** The name in the page's own URL. */
  readonly host: string;
  /** The port that clients connect to on that host, and whether it speaks TLS. */
  readonly publicPort: number;
  readonly tls: boolean;
  readonly version: string;
}

export interface Page extends PageSetting {
  /** Paths of what it loads; of the modules the first imports the others. */
  readonly styles: readonly string[];
  readonly scripts: readonly string[];
  readonly modules: readonly string[];
}

/** A document up to its body. What varies stands in `data-` attributes, where the modules read it. */
export function pageHead(title: string, { publicPort, tls, styles, scripts, modules }: Page): string {
  const [main, ...imported] = modules;
  return `<!doctype html>
<html lang="en" data-public-port="${publicPort}" data-tls="${tls}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="${icon}">
${styles.map((path) => `<link rel="stylesheet" href="${path}">`).join("\n")}
${imported.map((path) => `<link rel="modulepreload" href="${path}">`).join("\n")}
${scripts.map((path) => `<script src="${path}" defer></script>`).join("\n")}
<script type="module" src="${main}"></script>
</head>`;
}

/** The paths of the logo, within a viewBox of 32 by 32. */
export const waves =
  '<path d="M3 12q4.5-6 8.7 0t8.7 0 8.7 0" opacity=".45"/><path d="M3 18q4.5-6 8.7 0t8.7 0 8.7 0" opacity=".75"/>' +
  '<path d="M3 24q4.5-6 8.7 0t8.7 0 8.7 0"/>';

const iconStroke = 'fill="none" stroke="#0d8296" stroke-width="3" stroke-linecap="round"';
const iconSvg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" ${iconStroke}>${waves}</svg>`;
/** As an address. */
const icon = `data:image/svg+xml,${encodeURIComponent(iconSvg)}`;

/** The `Content-Security-Policy` of a page: it may connect to the gateway, and run and show what this port serves. */
export function pagePolicy({ host, publicPort }: PageSetting): string {
  // What cannot be written into a policy (an IPv6 address) leaves any WebSocket allowed.
  const isWritable = /^[a-z0-9.-]+$/i.test(host);
  const gateway = isWritable ? `ws://${host}:${publicPort} wss://${host}:${publicPort}` : "ws: wss:";
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `connect-src 'self' ${gateway}`,
    "img-src data:",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}
