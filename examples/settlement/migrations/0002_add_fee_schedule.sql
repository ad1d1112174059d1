-- PostgreSQL. Expand only: a nullable column without default is a change of the catalogue, not of
-- the rows. Versions that do not know it neither read nor write it; null means 'standard'.
SET lock_timeout = '2s';

ALTER TABLE settlements ADD COLUMN IF NOT EXISTS schedule text;

ALTER TABLE settlements
ADD CONSTRAINT settlements_schedule_known
CHECK (schedule IN ('standard', 'graduated')) NOT VALID;
