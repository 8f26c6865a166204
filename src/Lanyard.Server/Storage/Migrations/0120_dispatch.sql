-- What a definition says about trying again, waiting and ending; null: what the server says. When a waiting run gives up; 0: by the server's own time.
alter table runs add column retry_attempts bigint;
alter table runs add column retry_causes bigint;
alter table runs add column queue_seconds bigint;
alter table runs add column grace_seconds bigint;
alter table runs add column queue_until bigint not null default 0;
create index runs_queue_until on runs (queue_until) where waiting and queue_until <> 0;

-- What the limit of a collection counts.
create index runs_live_collection on runs (collection) where live;
alter table collections add column concurrency bigint;
alter table collections add column state text not null default 'active';

-- The run that was offered to an ephemeral runner: when it has accepted it, it is never offered another.
alter table runners add column spent text;
create index runners_spent on runners (spent) where spent is not null;
