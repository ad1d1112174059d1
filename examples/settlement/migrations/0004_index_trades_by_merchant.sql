-- PostgreSQL. Alone and outside a transaction, because CONCURRENTLY requires it; writes go on.
CREATE INDEX CONCURRENTLY IF NOT EXISTS trades_by_merchant ON trades (merchant, traded_at);
