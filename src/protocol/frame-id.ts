/** Chosen by the client for one request, echoed in its reply. */
export type FrameId = string | number;
