/** A larger copy of an array that is indexed by slot; the new slots hold 0. */
export function grown(array: Float64Array, capacity: number): Float64Array;
export function grown(array: Uint32Array, capacity: number): Uint32Array;
export function grown(array: Float64Array | Uint32Array, capacity: number): Float64Array | Uint32Array {
  const larger = array instanceof Float64Array ? new Float64Array(capacity) : new Uint32Array(capacity);
  larger.set(array);
  return larger;
}
