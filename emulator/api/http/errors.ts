/** An answer that says no, in Hetzner's shape: `{"error": {"code", "message", "details"}}`. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: unknown;

  constructor(status: number, code: string, message: string, details: unknown = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }

  body(): { error: { code: string; message: string; details: unknown } } {
    return { error: { code: this.code, message: this.message, details: this.details } };
  }
}

interface FieldErrors {
  fields: { name: string; messages: string[] }[];
}

function fieldErrors(fields: Record<string, string>): FieldErrors {
  return { fields: Object.entries(fields).map(([name, message]) => ({ name, messages: [message] })) };
}

/** `fields` are the offending fields by name, each with what is wrong with it. */
export function invalidInput(fields: Record<string, string>): ApiError {
  const names = Object.keys(fields);
  const message = `invalid input in field${names.length === 1 ? "" : "s"} ${names.map((name) => `'${name}'`).join(", ")}`;
  return new ApiError(422, "invalid_input", message, fieldErrors(fields));
}

export function notUnique(field: string, message = `${field} is already used`): ApiError {
  return new ApiError(409, "uniqueness_error", message, { fields: [{ name: field, messages: [message] }] });
}

export function notFound(kind: string, id: string | number): ApiError {
  return new ApiError(404, "not_found", `${kind} with ID '${id}' not found`);
}

export function locked(): ApiError {
  return new ApiError(423, "locked", "cannot perform operation because resource is locked");
}

export function conflict(kind: string): ApiError {
  return new ApiError(409, "conflict", `${kind} changed during the request, please retry`);
}

export function isProtected(kind: string, message = `${kind} is delete protected`): ApiError {
  return new ApiError(423, "protected", message);
}

/** A 422 with a code of its own, such as `firewall_already_applied`. */
export function unprocessable(code: string, message: string, details: unknown = null): ApiError {
  return new ApiError(422, code, message, details);
}
