/** Set-up of every project, run again for each test file. */
import { afterEach } from "vitest";
import { removeTemporaryFolders } from "./_project.ts";

afterEach(removeTemporaryFolders);
