-- The hot row of a run, its present attempt in it. What never changes and is long lies in run_documents.
create table runs (
    id text not null primary key,
    workspace text not null,
    collection text not null,
    definition text not null,
    queue text not null,
    priority bigint not null,
    phase text not null,
    timeout_seconds bigint not null,
    state text not null check (state in ('queued', 'running', 'succeeded', 'failed', 'canceled', 'timed_out')),
    waiting boolean not null,
    live boolean not null,
    attempt bigint not null,
    attempt_state text not null check (attempt_state in ('', 'offered', 'accepted', 'running', 'canceling', 'ended', 'lost')),
    accepts bigint not null,
    runner text,
    session text,
    deadline bigint not null,
    stop_by bigint not null,
    offered_at bigint not null,
    accepted_at bigint not null,
    started_at bigint not null,
    ended_at bigint not null,
    outcome text,
    reason text,
    log_bytes bigint not null,
    log_sha256 text,
    log_complete boolean not null,
    cancel_requested_at bigint not null,
    created_at bigint not null,
    finished_at bigint not null,
    idempotency text,
    request_hash text,
    version bigint not null
);

-- What a claim reads: only runs that may be offered, in the order in which they are.
create index runs_queue on runs (queue, priority desc, id) where waiting;
-- What the sweeper, a heartbeat and a new session read. No column of it changes when a lease is renewed.
create index runs_live on runs (runner, session) where live;
create index runs_collection on runs (collection, id);
create unique index runs_idempotency on runs (collection, idempotency) where idempotency is not null;

create table run_documents (
    run text not null primary key references runs (id) on delete cascade,
    document text not null
);

-- Attempts that are over and were not their run's last.
create table attempts (
    run text not null references runs (id) on delete cascade,
    attempt bigint not null,
    state text not null,
    runner text,
    session text,
    offered_at bigint not null,
    accepted_at bigint not null,
    started_at bigint not null,
    ended_at bigint not null,
    outcome text,
    reason text,
    log_bytes bigint not null,
    log_sha256 text,
    log_complete boolean not null,
    primary key (run, attempt)
);

create table steps (
    run text not null references runs (id) on delete cascade,
    attempt bigint not null,
    step bigint not null,
    state text not null check (state in ('running', 'succeeded', 'failed', 'canceled', 'timed_out', 'skipped')),
    exit_code bigint,
    signal bigint,
    started_at bigint not null,
    ended_at bigint not null,
    primary key (run, attempt, step)
);
