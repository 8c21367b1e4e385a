// Rounding as IEEE 754 does it by default.

/** The nearest integer, the even one of two that are equally near. `value` is not negative. */
export function roundToEven(value: number): number {
  const below = Math.floor(value);
  const above = value - below;
  return above > 0.5 || (above === 0.5 && below % 2 === 1) ? below + 1 : below;
}
