// Feature flags from the environment: FF_NEW_FEE_SCHEDULE=on. Read once, at the start.

const ON = ["1", "true", "on", "yes"];
const OFF = ["", "0", "false", "off", "no"];

/** Say whether flag *name* is on. A typing mistake in a flag that changes fees stops the start. */
export function enabled(name, environ = process.env) {
  const value = (environ[`FF_${name}`] ?? "").trim().toLowerCase();
  if (!ON.includes(value) && !OFF.includes(value)) {
    throw new RangeError(`FF_${name} is '${value}'; write on or off`);
  }
  return ON.includes(value);
}
