/**
 * What uWebSockets.js reads from the environment when it is loaded. The one rule: this file is imported before the
 * package, and by `uws.ts` alone.
 */

// The request line and all headers of a handshake: a token of 8 KB as `?token=` or `Authorization` must fit beside a
// browser's own 2 to 4 KB of headers. The package's default of 4 KB answers such a handshake with 431.
process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= "16384";
