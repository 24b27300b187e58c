import { fileURLToPath } from "node:url";

/** The project's root. */
export const repository = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
