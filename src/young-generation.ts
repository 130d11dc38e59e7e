/**
 * Keeps V8's young generation at its first size, 1 MB. The one rule: imported before anything else, for what has grown
 * stays.
 *
 * V8 doubles the young generation while connections survive in it and does not give it back: 15,000 idle connections
 * took 2,600 resident bytes each, against 1,500 with this.
 */
import { setFlagsFromString } from "node:v8";

setFlagsFromString("--semi-space-growth-factor=1");
