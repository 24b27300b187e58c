/** Writes lines above a list that is being redrawn. */
type Above = (text: string) => void;

let active: Above | undefined;

/** Called when a list begins; and with undefined when it has ended. */
export function setActive(above: Above | undefined): void {
  active = above;
}

/** @returns false if no list is being redrawn, so that the caller writes the text itself */
export function tellAbove(text: string): boolean {
  active?.(text);
  return active !== undefined;
}
