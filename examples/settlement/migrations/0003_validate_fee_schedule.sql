-- PostgreSQL. On its own, after 0002 has committed: validation reads every row under a lock that
-- lets reads and writes pass.
SET lock_timeout = '2s';

ALTER TABLE settlements VALIDATE CONSTRAINT settlements_schedule_known;
