/** Fingers on an element: one drags along it, two pinch; up and down still scrolls the page. */

export interface Fingers {
  /** A gesture begins, or goes on with another number of fingers. */
  readonly begin: () => void;
  /** Fingers moved since `begin`; where they were and are, as fractions of the width. */
  readonly move: (before: readonly number[], after: readonly number[]) => void;
  /** The last finger is gone; `kept` is false if the browser took the gesture over. */
  readonly end: (kept: boolean) => void;
}

const MOST = 2;

/** Tell `on` of touches of an element for as long as that lives. */
export function followFingers(element: HTMLElement, on: Fingers): void {
  const fingers = new Map<number, { before: number; after: number }>();
  element.style.touchAction = "pan-y";

  function place(event: PointerEvent): number {
    const box = element.getBoundingClientRect();
    return (event.clientX - box.left) / Math.max(box.width, 1);
  }

  function again(): void {
    for (const finger of fingers.values()) finger.before = finger.after;
    on.begin();
  }

  function lift(event: PointerEvent): void {
    if (!fingers.delete(event.pointerId)) return;
    if (fingers.size > 0) again();
    else on.end(event.type !== "pointercancel");
  }

  element.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch" || fingers.size === MOST) return;
    fingers.set(event.pointerId, { before: place(event), after: place(event) });
    again();
  });
  element.addEventListener("pointermove", (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger) return;
    finger.after = place(event);
    const all = [...fingers.values()];
    on.move(all.map((one) => one.before), all.map((one) => one.after));
  });
  element.addEventListener("pointerup", lift);
  element.addEventListener("pointercancel", lift);
}
