/** The secret that tokens of the bench are signed with, and that the servers which verify them are given. */
export const secret = "a secret of the bench, 32 bytes and more";
