import assert from "node:assert/strict";
import { test } from "node:test";

import { format, parse, roundMoney } from "settlement-rounding";
import { table } from "settlement-table";

import { enabled } from "../src/flags.js";
import { Invalid, settle } from "../src/money.js";
import { country, currency, merchant } from "../src/normalise.js";

test("halves are rounded to even", () => {
  table((text, code) => format(roundMoney(parse(text), code), code), [
    ["0.125", "EUR", "0.12"],
    ["0.135", "EUR", "0.14"],
    ["0.1351", "EUR", "0.14"],
    ["2.5", "JPY", "2"],
    ["3.5", "JPY", "4"],
    ["1.0005", "KWD", "1.000"],
  ]);
  assert.equal(format(-parse("3.505"), "EUR"), "-3.50");
});

test("a fee is a percentage and a fixed part", () => {
  const { settlements } = settle([{ id: "t", currency: "EUR", amount: "100.00" }], "standard");
  assert.equal(settlements[0].fees, "1.65");
  assert.equal(settlements[0].net, "98.35");
});

test("what cannot be right is refused", () => {
  for (const trade of [{ amount: 1 }, { amount: "1.005" }, { currency: "toString" }, { id: "" }]) {
    const whole = { id: "t", currency: "EUR", amount: "1.00", ...trade };
    assert.throws(() => settle([whole], "standard"), Invalid);
  }
});

test("references become comparable", () => {
  table(merchant, [[" Müller & Söhne GmbH ", "muller sohne"], ["A.C.M.E. Ltd.", "acme"]]);
  table(country, [["The Netherlands", "NL"], ["U.K.", "GB"], ["Atlantis", null]]);
  table(currency, [["€", "EUR"], ["eur", "EUR"], ["$", null]]);
});

test("a flag is on or off", () => {
  assert.equal(enabled("X", { FF_X: "On" }), true);
  assert.equal(enabled("X", {}), false);
  assert.throws(() => enabled("X", { FF_X: "onn" }), RangeError);
});
