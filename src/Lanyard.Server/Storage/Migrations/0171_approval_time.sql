-- How long a run's plan waits for a human before the run is timed out; null: as the server has it.
alter table runs add column approval_seconds bigint;
