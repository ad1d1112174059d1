// Round amounts of money to the smallest unit of their currency, half to even.
//
// An amount is a BigInt of hundred-millionths: no binary floats anywhere. Half-even ("banker's")
// rounding has no drift: over many fees, as many halves go up as down. Exponents: ISO 4217.

export const CURRENCIES = {
  AUD: 2, BHD: 3, BRL: 2, CAD: 2, CHF: 2, CLP: 0, CNY: 2, CZK: 2,
  DKK: 2, EUR: 2, GBP: 2, HUF: 2, INR: 2, ISK: 0, JOD: 3, JPY: 0,
  KRW: 0, KWD: 3, MXN: 2, NOK: 2, NZD: 2, OMR: 3, PLN: 2, SEK: 2,
  SGD: 2, TND: 3, USD: 2, ZAR: 2,
};

export const PLACES = 8;

/** Return the amount that a text such as "12.50" stands for. */
export function parse(text) {
  const [whole, part = ""] = text.split(".");
  return BigInt(whole + part.padEnd(PLACES, "0"));
}

/** Return *amount* rounded half to even to the smallest unit of *currency*. */
export function roundMoney(amount, currency) {
  const unit = 10n ** BigInt(PLACES - CURRENCIES[currency]);
  const sign = amount < 0n ? -1n : 1n;
  const size = amount * sign;
  const rest = size % unit;
  let units = size / unit;
  if (rest * 2n > unit || (rest * 2n === unit && units % 2n === 1n)) units += 1n;
  return sign * units * unit;
}

/** Return *amount* with the digits of *currency*: "12.50", "-3", "0.125". */
export function format(amount, currency) {
  const digits = CURRENCIES[currency];
  const units = roundMoney(amount, currency) / 10n ** BigInt(PLACES - digits);
  const text = (units < 0n ? -units : units).toString().padStart(digits + 1, "0");
  const cut = text.length - digits;
  return (units < 0n ? "-" : "") + text.slice(0, cut) + (digits ? `.${text.slice(cut)}` : "");
}
