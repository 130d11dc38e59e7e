/** Where clients connect to: the public port, on the host that this page came from. */
export function gatewayUrl(): string {
  const { publicPort, tls } = document.documentElement.dataset;
  const scheme = tls === "true" || location.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${location.hostname}:${publicPort}`;
}
