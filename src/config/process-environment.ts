/**
 * This process's environment, and what in it is for a client's commands. Apart from `environment.ts`, because those need
 * nothing of the configuration, which takes longer to load than they take to run.
 */

/** For the programs to hand on. */
export const processEnvironment: NodeJS.ProcessEnv = process.env;

const tokenVariable = "TIDEGATE_TOKEN";
const apiKeyVariable = "TIDEGATE_API_KEY";

/** The variables that are not part of the gateway's configuration. */
export const clientVariables: readonly string[] = [tokenVariable, apiKeyVariable];

/** The client's token for `tidegate tail`. */
export function clientToken(env: NodeJS.ProcessEnv): string | undefined {
  return env[tokenVariable] || undefined;
}

/** The key of `tidegate publish` and the other commands that speak to a gateway. */
export function clientApiKey(env: NodeJS.ProcessEnv): string | undefined {
  return env[apiKeyVariable] || undefined;
}
