/** What a bus in Redis has done so far, counted where it happens; none of it falls. See `BusFigures`. */
export class BusCounts {
  entriesWritten = 0;
  recordsWritten = 0;
  entriesRead = 0;
  writeFailures = 0;
  readFailures = 0;
  epochs = 0;
  readonly skipped = { kind: 0, version: 0, foreign: 0 };
}
