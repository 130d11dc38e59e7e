/** Where the configuration is that comes with the package; in a file of its own, so that help can name it at no cost. */
import { fileURLToPath } from "node:url";

/** `config/gateway.yaml`, as far from `src/config` as from `dist/config`. */
export const packagedConfigFile: string = fileURLToPath(new URL("../../config/gateway.yaml", import.meta.url));
