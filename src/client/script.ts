/** The client for a page without modules: a script tag that makes the global `Tidegate`. */
import { createClient, TidegateError } from "./index.ts";

(globalThis as { Tidegate?: object }).Tidegate = { createClient, TidegateError };
