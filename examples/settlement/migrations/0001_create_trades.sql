-- PostgreSQL. Expand only: new tables, so that the running version is not touched.
SET lock_timeout = '2s';

CREATE TABLE IF NOT EXISTS trades (
    id text PRIMARY KEY,
    merchant text NOT NULL,
    kind text NOT NULL DEFAULT 'sale' CHECK (kind IN ('sale', 'refund', 'chargeback')),
    region text NOT NULL DEFAULT 'domestic' CHECK (region IN ('domestic', 'international')),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount numeric(16, 4) NOT NULL CHECK (amount > 0),
    traded_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS settlements (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    trades integer NOT NULL CHECK (trades > 0),
    fees numeric(16, 4) NOT NULL,
    net numeric(16, 4) NOT NULL,
    settled_at timestamptz NOT NULL DEFAULT now()
);
