/** The wire protocol: what clients and tools need to speak it. Pure, and safe to load in a browser. */
export * from "./codes.ts";
export type { FrameId } from "./frame-id.ts";
export * from "./messages.ts";
export * from "./names.ts";
