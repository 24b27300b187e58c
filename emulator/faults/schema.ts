import { z } from "zod";

const match = z.strictObject({
  /** `*` stands for any method. */
  method: z.string().default("*"),
  /** A path template as in the API description, e.g. `/servers/{id}`; `*` stands for any. */
  path: z.string().default("*"),
  /** Only the n-th matching request, from 1. */
  nth: z.number().int().positive().optional(),
  /** The first so many matching requests (after `nth`, where both are given, so many from the n-th on). */
  times: z.number().int().positive().optional(),
  /** Each matching request with this chance, drawn from `seed`. */
  probability: z.number().min(0).max(1).optional(),
  seed: z.number().int().default(1),
});

const effect = z
  .strictObject({
    /** Answer this instead of doing anything. */
    respond: z
      .strictObject({ status: z.number().int().min(400).max(599), code: z.string(), message: z.string() })
      .optional(),
    /** Do what was asked, but answer this: the request was carried out and the client does not know. */
    respondAfter: z
      .strictObject({ status: z.number().int().min(400).max(599), code: z.string(), message: z.string() })
      .optional(),
    /** `reset`: cut the connection before doing anything. `reset-after`: do it, then cut. `hang`: never answer. */
    connection: z.enum(["reset", "reset-after", "hang"]).optional(),
    /** Answer so much later. */
    delayMs: z.number().int().nonnegative().optional(),
    /** Answer success and do nothing: a DELETE, or a POST on `…/actions/…`. The actions it names have ended well. */
    lie: z.literal(true).optional(),
    /** What becomes of the actions that the request starts. */
    action: z
      .strictObject({
        error: z.strictObject({ code: z.string(), message: z.string() }).optional(),
        durationMs: z.number().int().nonnegative().optional(),
        /** End well without the effect: the records say so, and the network goes on as before. */
        withoutEffect: z.literal(true).optional(),
      })
      .optional(),
  })
  .refine((given) => Object.keys(given).length > 0, { message: "names nothing to do" });

export const faultsSchema = z.array(
  z.strictObject({ match: match.default({ method: "*", path: "*", seed: 1 }), fault: effect }),
);

export type FaultRule = z.output<typeof faultsSchema>[number];
export type FaultEffect = FaultRule["fault"];

/** @throws Error in one sentence naming the place and what is allowed. */
export function parseFaults(given: unknown, source: string): FaultRule[] {
  const result = faultsSchema.safeParse(given);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const place = issue?.path.join(".") || "the whole";
  throw new Error(
    `${source}: ${place}: ${issue?.message}. Give a list such as ` +
      `[{"match":{"method":"POST","path":"/servers","nth":1},"fault":{"respond":{"status":503,"code":"unavailable","message":"down"}}}].`,
  );
}
