/** Places in the log. The rule: offsets sort as text, and only within one epoch. */
import type { StreamPosition } from "../protocol/messages.ts";

/** Positions of two epochs have no order: the later one to arrive counts. */
export const isAfter = (position: StreamPosition, last: StreamPosition | undefined): boolean =>
  last === undefined || position.epoch !== last.epoch || position.offset > last.offset;

/** `undefined` for what has no place: a channel without history, a targeted message. */
export const positionOf = ({ offset, epoch }: Partial<StreamPosition>): StreamPosition | undefined =>
  offset && epoch ? { offset, epoch } : undefined;
