// Making references comparable: merchant names, country codes, currency codes.

import { CURRENCIES } from "settlement-rounding";

import { Invalid } from "./money.js";

const LEGAL_FORMS = ["ltd", "limited", "llc", "inc", "plc", "gmbh", "ag", "sa", "sarl", "bv", "nv", "ab"];
const COUNTRIES = {
  austria: "AT", belgium: "BE", canada: "CA", denmark: "DK", finland: "FI",
  france: "FR", germany: "DE", deutschland: "DE", ireland: "IE", italy: "IT",
  japan: "JP", netherlands: "NL", holland: "NL", norway: "NO", spain: "ES",
  sweden: "SE", switzerland: "CH", uk: "GB", "united kingdom": "GB",
  "great britain": "GB", usa: "US", "united states": "US", "united states of america": "US",
};
const SYMBOLS = { "€": "EUR", "£": "GBP", "¥": "JPY", "₩": "KRW", "₹": "INR", US$: "USD", A$: "AUD" };

/** Return one {merchant, country, currency} per record; what is not known becomes null. */
export function normalise(records) {
  if (!Array.isArray(records) || records.length === 0) {
    throw new Invalid("records must be a list with at least one record");
  }
  return records.map((record, index) => {
    if (record === null || typeof record !== "object" || Array.isArray(record)) {
      throw new Invalid(`records[${index}] is not an object`);
    }
    for (const key of ["merchant", "country", "currency"]) {
      if (typeof (record[key] ?? "") !== "string") {
        throw new Invalid(`records[${index}]: ${key} must be text`);
      }
    }
    return {
      merchant: merchant(record.merchant ?? ""),
      country: country(record.country ?? ""),
      currency: currency(record.currency ?? ""),
    };
  });
}

export function merchant(name) {
  const plain = name.replaceAll("ß", "ss").normalize("NFKD").toLowerCase().replace(/\p{M}/gu, "");
  const words = plain.replace(/[.']/g, "").split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  while (words.length > 1 && LEGAL_FORMS.includes(words.at(-1))) words.pop();
  return words.join(" ");
}

export function country(text) {
  const plain = text.replaceAll(".", "").trim().split(/\s+/).join(" ");
  const code = plain.toUpperCase();
  if (Object.values(COUNTRIES).includes(code)) return code;
  const name = plain.toLowerCase().replace(/^the /, "");
  return Object.hasOwn(COUNTRIES, name) ? COUNTRIES[name] : null;
}

export function currency(text) {
  const plain = text.trim();
  const code = (Object.hasOwn(SYMBOLS, plain) ? SYMBOLS[plain] : plain).toUpperCase();
  return Object.hasOwn(CURRENCIES, code) ? code : null;
}
