import assert from "node:assert/strict";

/** Check that *compute* maps every row's arguments to its last element. */
export function table(compute, rows) {
  for (const row of rows) {
    assert.deepEqual(compute(...row.slice(0, -1)), row.at(-1), JSON.stringify(row));
  }
}
