// Settling trades: fees, and netting per currency.

import { CURRENCIES, format, parse, roundMoney } from "settlement-rounding";

export const KINDS = ["sale", "refund", "chargeback"];
export const REGIONS = ["domestic", "international"];
const LIMIT = 10_000;
const AMOUNT = /^[0-9]{1,12}(\.[0-9]{1,4})?$/;

// Percent in hundredths and a fixed part (of a two-digit currency) per region; a flat chargeback fee.
export const SCHEDULES = {
  standard: {
    domestic: [140n, parse("0.25")],
    international: [290n, parse("0.25")],
    chargeback: parse("15.00"),
    large: null,
  },
  // The new schedule: no fixed part, and a lower percentage from 1,000 units on.
  graduated: {
    domestic: [165n, 0n],
    international: [310n, 0n],
    chargeback: parse("12.50"),
    large: [parse("1000"), 30n],
  },
};

/** The request's content cannot be right (HTTP 422). */
export class Invalid extends Error {}

/** Return settlements and fees of *trades*. Each fee is rounded on its own, half to even. */
export function settle(trades, schedule) {
  if (!Array.isArray(trades) || trades.length === 0) {
    throw new Invalid("trades must be a list with at least one trade");
  }
  if (trades.length > LIMIT) {
    throw new Invalid(`${trades.length} trades are more than ${LIMIT} in one request`);
  }
  const totals = new Map();
  const fees = [];
  const seen = new Set();
  trades.forEach((trade, index) => {
    const { id, currency, kind, region, amount } = checked(trade, `trades[${index}]`);
    if (seen.has(id)) throw new Invalid(`trades[${index}]: id '${id}' occurs twice`);
    seen.add(id);
    const fee = feeOf(amount, currency, kind, region, SCHEDULES[schedule]);
    fees.push({ id, currency, fee: format(fee, currency) });
    if (!totals.has(currency)) {
      totals.set(currency, { trades: 0, fee: 0n, sale: 0n, refund: 0n, chargeback: 0n });
    }
    const line = totals.get(currency);
    line.trades += 1;
    line.fee += fee;
    line[kind] += amount;
  });
  const settlements = [...totals].sort(([a], [b]) => (a < b ? -1 : 1)).map(([currency, line]) => ({
    currency,
    trades: line.trades,
    sales: format(line.sale, currency),
    refunds: format(line.refund, currency),
    chargebacks: format(line.chargeback, currency),
    fees: format(line.fee, currency),
    net: format(line.sale - line.refund - line.chargeback - line.fee, currency),
  }));
  return { settlements, fees };
}

function checked(trade, where) {
  if (trade === null || typeof trade !== "object" || Array.isArray(trade)) {
    throw new Invalid(`${where} is not an object`);
  }
  const { id, currency, kind = "sale", region = "domestic", amount: text } = trade;
  if (typeof id !== "string" || id === "") throw new Invalid(`${where} has no id`);
  if (typeof currency !== "string" || !Object.hasOwn(CURRENCIES, currency)) {
    throw new Invalid(`${where}: currency ${quoted(currency)} is not one that we settle`);
  }
  if (!KINDS.includes(kind)) {
    throw new Invalid(`${where}: kind ${quoted(kind)} is not one of ${KINDS.join(", ")}`);
  }
  if (!REGIONS.includes(region)) {
    throw new Invalid(`${where}: region ${quoted(region)} is not one of ${REGIONS.join(", ")}`);
  }
  // A JSON number would already have gone through a binary float in some client.
  if (typeof text !== "string" || !AMOUNT.test(text)) {
    throw new Invalid(`${where}: amount must be text such as "12.50"`);
  }
  const amount = parse(text);
  if (amount === 0n || amount !== roundMoney(amount, currency)) {
    throw new Invalid(`${where}: ${text} is not an amount of ${currency}`);
  }
  return { id, currency, kind, region, amount };
}

function feeOf(amount, currency, kind, region, schedule) {
  if (kind === "refund") return 0n;
  // Fixed parts are meant for currencies of two digits; in yen a "0.25" would round away.
  const scale = CURRENCIES[currency] === 0 ? 100n : 1n;
  if (kind === "chargeback") return roundMoney(schedule.chargeback * scale, currency);
  let [percent, fixed] = schedule[region];
  if (schedule.large && amount >= schedule.large[0] * scale) percent -= schedule.large[1];
  // An amount has four places at most and a percentage two, so eight hold their product exactly.
  return roundMoney((amount * percent) / 10_000n + fixed * scale, currency);
}

function quoted(value) {
  return typeof value === "string" ? `'${value}'` : JSON.stringify(value ?? null);
}
